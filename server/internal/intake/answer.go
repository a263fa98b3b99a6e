package intake

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// maxAnswerBytes limits how much of an answer is kept for the log.
	maxAnswerBytes = 512
	// maxDrainBytes and maxDrainTime limit how much of an answer is read, which a
	// connection needs before it can be used again.
	maxDrainBytes = 64 << 10
	maxDrainTime  = 2 * time.Second
)

// readAnswer turns an answer into a result, and closes its body. The status counts even
// if the body breaks off. Cancel must end the request.
func (c *Client) readAnswer(resp *http.Response, cancel func()) postResult {
	defer resp.Body.Close()
	retryAfter, _ := parseRetryAfter(resp.Header.Get("Retry-After"), time.Now(), c.config.Retry.MaxRetryAfter)
	r := postResult{verdict: judgeStatus(resp.StatusCode), status: resp.StatusCode, retryAfter: retryAfter}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return r // the body is the connection itself, and has no end
	}
	defer time.AfterFunc(maxDrainTime, cancel).Stop()
	body := io.LimitReader(resp.Body, maxDrainBytes)
	if r.class != ClassAccepted {
		r.answer = c.quote(body, strings.Join(resp.Header.Values("Content-Encoding"), ", "))
	}
	_, _ = io.Copy(io.Discard, body)
	return r
}

// quote returns the start of a body as a line of text without secrets. If the body is
// not text, quote says so in brackets.
func (c *Client) quote(body io.Reader, encoding string) string {
	buffered := bufio.NewReader(body)
	if _, err := buffered.Peek(1); err != nil {
		return ""
	}
	text, err := decoded(buffered, encoding)
	if err != nil {
		return c.line("(a body that can't be decoded: "+err.Error()+")", false)
	}
	most := maxAnswerBytes + c.secrets.LongestBytes()
	head, err := io.ReadAll(io.LimitReader(text, int64(most)))
	switch {
	case len(head) == 0 && err != nil:
		return c.line("(a body that can't be decoded: "+err.Error()+")", false)
	case !isText(head):
		return "(a body that is not text)"
	}
	return c.line(string(head), len(head) == most)
}

// decoded removes the content coding of a body (RFC 9110, section 8.4.1). Some servers
// use one although we ask for none.
func decoded(body *bufio.Reader, encoding string) (io.Reader, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		return gzip.NewReader(body)
	case "deflate": // some servers omit the zlib header
		if head, _ := body.Peek(2); len(head) == 2 && head[0]&0xf == 8 && (int(head[0])<<8+int(head[1]))%31 == 0 {
			return zlib.NewReader(body)
		}
		return flate.NewReader(body), nil
	}
	return nil, fmt.Errorf("unsupported encoding %q", encoding)
}

// isText reports whether three quarters of the characters are printable.
func isText(said []byte) bool {
	count, unreadable := 0, 0
	for len(said) > 0 {
		r, n := utf8.DecodeRune(said)
		if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			unreadable++
		}
		count++
		said = said[n:]
	}
	return unreadable*4 <= count
}

// line turns text from others into one printable line without secrets, of at most
// maxAnswerBytes. isCut reports whether the text may be incomplete.
func (c *Client) line(said string, isCut bool) string {
	// Removing control characters may reveal a secret, so redact again afterwards.
	text := clean(c.secrets.Redact(said, len(said)))
	shown := min(maxAnswerBytes, len(text))
	if isCut { // the end may be part of a secret
		shown = min(shown, max(0, len(text)-c.secrets.LongestBytes()))
	}
	text = c.secrets.Redact(text, shown)
	return strings.ToValidUTF8(text[:min(maxAnswerBytes, len(text))], "")
}

// clean replaces unprintable characters by spaces.
func clean(said string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(said, "")))
}

// presentable returns err if its text is a short line without secrets. Otherwise it
// returns an error with such a text, which errors.Is treats like err.
func (c *Client) presentable(err error) error {
	text := err.Error()
	if line := c.line(text, false); line != text {
		return &cleanError{text: line, err: err}
	}
	return err
}

type cleanError struct {
	text string
	err  error
}

func (e *cleanError) Error() string { return e.text }

// Is instead of Unwrap, because the original must not be printed.
func (e *cleanError) Is(target error) bool { return errors.Is(e.err, target) }
