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
	// maxAnswerBytes is how much of an answer is kept, for the log.
	maxAnswerBytes = 512
	// maxDrainBytes and maxDrainTime are how much of an answer is read so that
	// the connection can be used again.
	maxDrainBytes = 64 << 10
	maxDrainTime  = 2 * time.Second
)

// readAnswer makes the attempt's end of its answer, and closes the answer's body.
// It takes the status as it is, even if the body breaks off. Cancel ends the
// request. An intake that repeats a secret that it was sent is not quoted on it.
func (c *Client) readAnswer(resp *http.Response, cancel func()) postResult {
	defer resp.Body.Close()
	retryAfter, _ := parseRetryAfter(resp.Header.Get("Retry-After"), time.Now(), c.config.Retry.MaxRetryAfter)
	r := postResult{verdict: judgeStatus(resp.StatusCode), status: resp.StatusCode, retryAfter: retryAfter}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return r // the body is the connection itself, which has no end
	}
	defer time.AfterFunc(maxDrainTime, cancel).Stop()
	body := io.LimitReader(resp.Body, maxDrainBytes)
	if r.class != ClassAccepted {
		r.answer = c.quote(body, strings.Join(resp.Header.Values("Content-Encoding"), ", "))
	}
	_, _ = io.Copy(io.Discard, body)
	return r
}

// quote returns the beginning of a body as a line of text; in brackets what the body
// is where it is no text.
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

// decoded returns what the body says without its content coding (RFC 9110, section
// 8.4.1). We ask for none, but there are servers that use one all the same.
func decoded(body *bufio.Reader, encoding string) (io.Reader, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		return gzip.NewReader(body)
	case "deflate": // some leave out the frame that it should have
		if head, _ := body.Peek(2); len(head) == 2 && head[0]&0xf == 8 && (int(head[0])<<8+int(head[1]))%31 == 0 {
			return zlib.NewReader(body)
		}
		return flate.NewReader(body), nil
	}
	return nil, fmt.Errorf("its encoding is %q", encoding)
}

// isText reports whether most of the bytes can be read.
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

// line makes a line of printable text, of at most maxAnswerBytes and without
// secrets, of what others have said. isCut tells that they may have said more.
func (c *Client) line(said string, isCut bool) string {
	// A secret may show only when what stands within it is left out.
	text := clean(c.secrets.Redact(said, len(said)))
	shown := min(maxAnswerBytes, len(text))
	if isCut { // within a secret, perhaps
		shown = min(shown, max(0, len(text)-c.secrets.LongestBytes()))
	}
	text = c.secrets.Redact(text, shown)
	return strings.ToValidUTF8(text[:min(maxAnswerBytes, len(text))], "")
}

// clean replaces what can't be printed by spaces.
func clean(said string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(said, "")))
}

// presentable returns err, or, where its text is not a short line without secrets,
// an error with that text that is the same to errors.Is.
func (c *Client) presentable(err error) error {
	text := err.Error()
	if line := c.line(text, false); line != text {
		return &saidError{text: line, err: err}
	}
	return err
}

type saidError struct {
	text string
	err  error
}

func (e *saidError) Error() string { return e.text }

// Is, rather than Unwrap, keeps the text from those who print what is wrapped.
func (e *saidError) Is(target error) bool { return errors.Is(e.err, target) }
