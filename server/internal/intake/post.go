package intake

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Attempt is one attempt at posting a batch, as it ended. It holds nothing that
// must stay secret.
type Attempt struct {
	// BatchNum is the number of the batch.
	BatchNum int32
	// Number counts the attempts at the batch from 1.
	Number int
	// HTTPStatus is the status of the answer; 0 where there was none.
	HTTPStatus int
	// Class is what kind of end it was.
	Class Class
	// InDoubt tells that the intake may have taken the batch in this attempt.
	InDoubt bool
	// RetryAfter is what the answer has asked for, capped; 0 if it did not.
	RetryAfter time.Duration
	// Reason is what went wrong in words: the beginning of the answer, or why there
	// was none, without the URL. Empty: the batch was accepted, or the answer was.
	Reason string
	// Duration is how long the attempt took, without the waiting in front of it.
	Duration time.Duration
}

// postResult is how one POST ended.
type postResult struct {
	verdict
	status     int           // 0: no answer
	answer     string        // the beginning of the body
	retryAfter time.Duration // of the answer, capped
	err        error         // if there was no answer
	took       time.Duration // from the turn to the end of the answer
}

// reason returns what went wrong, empty if the batch was accepted.
func (r *postResult) reason() string {
	switch {
	case r.class == ClassAccepted:
		return ""
	case r.err != nil:
		return r.err.Error()
	}
	return r.answer
}

// post sends the form once. It does not read the form after it has returned.
func (c *Client) post(ctx context.Context, f *form, tags string) postResult {
	ctx, cancel := context.WithTimeoutCause(ctx, c.config.PostTimeout, errPostTimeout)
	defer cancel()
	ctx = withAttempt(ctx)
	var out outbound
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) { out.connected(got.Conn) },
	})
	defer out.end()
	defer context.AfterFunc(ctx, out.abort)()
	// Not through an http.Client, which would follow redirects, with the key.
	resp, err := c.transport.RoundTrip(c.request(ctx, f, tags, &out))
	if err == nil && resp.StatusCode >= http.StatusContinue {
		if resp.StatusCode == http.StatusSwitchingProtocols {
			out.abort() // the answer's body is the connection
		}
		return c.readAnswer(resp, cancel)
	}
	if err == nil {
		_ = resp.Body.Close()
		err = fmt.Errorf("malformed HTTP status %03d", resp.StatusCode)
	}
	out.end()
	wasEnded := ended(ctx)
	connected := out.isConnected()
	return postResult{
		verdict: judgeSilence(wasEnded, connected, out.mayBeWhole()),
		err:     c.presentable(c.throughProxy(withoutURL(wasEnded, err), connected)),
	}
}

func (c *Client) request(ctx context.Context, f *form, tags string, out *outbound) *http.Request {
	req := (&http.Request{
		Method:        http.MethodPost,
		URL:           c.shown,
		Host:          c.url.Host,
		Header:        make(http.Header),
		ContentLength: f.length(),
		Body:          out.begin(f),
	}).WithContext(ctx)
	// The transport asks for the body again when it sends the request again by
	// itself. It does so with a POST only where the first time did not count:
	// nothing had been written to a connection that turned out to be closed, or
	// the server says that it has not looked at it (RFC 9113, section 8.7).
	req.GetBody = func() (io.ReadCloser, error) { return out.begin(f), nil }
	req.Header.Set("Content-Type", f.contentType())
	if user := c.url.User; user != nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	if tags = tagList(tags); tags != "" {
		req.Header.Set("X-Datadog-Additional-Tags", tags)
	}
	if !c.config.APIKey.IsZero() {
		req.Header.Set("DD-API-KEY", c.config.APIKey.Reveal())
		req.Header.Set("DD-EVP-ORIGIN", origin)
		req.Header.Set("DD-REQUEST-ID", uuid.NewString())
	}
	return req
}

// tagList is a list of tags without blanks around them, and without empty ones.
func tagList(tags string) string {
	var kept []string
	for tag := range strings.SplitSeq(tags, ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			kept = append(kept, tag)
		}
	}
	return strings.Join(kept, ",")
}
