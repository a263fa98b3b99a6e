package intake

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/scopegate/scopegate/server/internal/batch"
)

// Attempt describes an attempt to post a batch, after it has ended. It contains no
// secrets.
type Attempt struct {
	// BatchNum is the number of the batch.
	BatchNum int32
	// Bytes is the length of the batch's gzip file.
	Bytes int
	// Number is 1 for the first attempt at the batch.
	Number int
	// HTTPStatus is the status of the answer; 0 if there was none.
	HTTPStatus int
	// Class is how the attempt ended.
	Class Class
	// InDoubt reports whether the intake may have taken the batch in this attempt,
	// although it was not accepted.
	InDoubt bool
	// Reason is the start of the answer's body, or why there was no answer, without
	// the URL. It is empty if the batch was accepted, or the body was empty.
	Reason string
	// Duration is how long the attempt took, not counting the wait before it.
	Duration time.Duration
}

// postResult is the result of one POST.
type postResult struct {
	verdict
	status     int           // 0 if there was no answer
	answer     string        // the start of the body
	retryAfter time.Duration // capped
	err        error         // if there was no answer
	took       time.Duration // until the answer was read
}

// reason returns Attempt.Reason.
func (r *postResult) reason() string {
	switch {
	case r.class == ClassAccepted:
		return ""
	case r.err != nil:
		return r.err.Error()
	}
	return r.answer
}

// post sends the form once. It does not read the form after it returns.
func (c *Client) post(ctx context.Context, f *form, to address) postResult {
	ctx, cancel := context.WithTimeoutCause(ctx, c.config.PostTimeout, errPostTimeout)
	defer cancel()
	ctx = context.WithValue(ctx, attemptKey{}, ctx)
	ctx = context.WithValue(ctx, targetKey{}, to.url)
	var out outbound
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) { out.connected(got.Conn) },
	})
	defer out.closeBody()
	defer context.AfterFunc(ctx, out.abort)()
	// An http.Client would follow redirects and send the key along.
	resp, err := c.transport.RoundTrip(c.request(ctx, f, to, &out))
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
	out.closeBody()
	if readErr := out.readErr(); readErr != nil {
		return postResult{verdict: judgeUnreadable(), err: c.presentable(fmt.Errorf("%w: %w", ErrUnreadable, readErr))}
	}
	stopped := contextErr(ctx)
	connected := out.isConnected()
	return postResult{
		verdict: judgeSilence(stopped, connected, out.mayBeSent()),
		err:     c.presentable(c.throughProxy(withoutURL(stopped, err), connected)),
	}
}

func (c *Client) request(ctx context.Context, f *form, to address, out *outbound) *http.Request {
	req := (&http.Request{
		Method:        http.MethodPost,
		URL:           cmp.Or(c.shown, to.url),
		Host:          to.url.Host,
		Header:        maps.Clone(to.header),
		ContentLength: f.length(),
		Body:          out.newBody(f),
	}).WithContext(ctx)
	// The transport asks for the body again when it repeats the request by itself. It
	// repeats a POST only if the server can't have seen it: it had written nothing yet
	// when it found the connection closed, or the server says that it did not process
	// the request (RFC 9113, section 8.7).
	req.GetBody = func() (io.ReadCloser, error) { return out.newBody(f), nil }
	req.Header.Set("Content-Type", f.contentType())
	if c.direct() {
		req.Header.Set("DD-REQUEST-ID", uuid.NewString())
	}
	return req
}

// form is a batch as multipart/form-data (RFC 7578). It reads as the same bytes every
// time.
type form struct {
	boundary string
	before   []byte // the file
	file     *batch.Batch
	after    []byte
}

func newForm(b *batch.Batch) *form {
	// Random, so that no client can write a scope that ends its part early.
	boundary := "scopegate-" + rand.Text()
	f := &form{boundary: boundary, file: b}
	f.before = []byte("--" + boundary + "\r\n" +
		`Content-Disposition: form-data; name="file"; filename="file.gz"` + "\r\n" +
		"Content-Type: application/gzip\r\n\r\n")
	f.after = append(f.after, "\r\n--"+boundary+"\r\n"+
		`Content-Disposition: form-data; name="event"; filename="event.json"`+"\r\n"+
		"Content-Type: application/json\r\n\r\n"...)
	f.after = b.AppendEvent(f.after)
	f.after = append(f.after, "\r\n--"+boundary+"--\r\n"...)
	return f
}

func (f *form) contentType() string { return "multipart/form-data; boundary=" + f.boundary }

func (f *form) length() int64 {
	return int64(len(f.before) + f.file.File.Len() + len(f.after))
}

func (f *form) newBody() *body {
	return &body{left: f.length(), reader: io.MultiReader(
		bytes.NewReader(f.before), f.file.File.NewReader(), bytes.NewReader(f.after))}
}

// body is a form as the body of a request. It may be closed while another goroutine
// reads from it, which ends the reads.
type body struct {
	mu     sync.Mutex
	closed bool
	left   int64 // bytes not yet read
	err    error // the first of reader, except io.EOF
	reader io.Reader
}

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.reader.Read(p)
	b.left -= int64(n)
	if b.err == nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// readErr returns why the form could not be read, or nil.
func (b *body) readErr() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// wasRead reports whether the whole body was read.
func (b *body) wasRead() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left == 0
}

func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}
