package intake

import (
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/scopegate/scopegate/server/internal/secret"
)

const (
	maxAnswerBytes = 512
	// maxDrainBytes and maxDrainTime are how much of an answer is read so that
	// the connection can be used again.
	maxDrainBytes = 64 << 10
	maxDrainTime  = 2 * time.Second
)

// readAnswer makes the attempt's end of its answer, and closes the answer's body.
// It takes the status as it is, even if the body breaks off. Cancel ends the
// request. An intake that repeats a secret that it was sent is not quoted on it.
func readAnswer(
	resp *http.Response, cancel func(), maxRetryAfter time.Duration, secrets secret.Redactor,
) attemptEnd {
	defer resp.Body.Close()
	defer time.AfterFunc(maxDrainTime, cancel).Stop()
	head, _ := io.ReadAll(io.LimitReader(resp.Body, int64(maxAnswerBytes+secrets.LongestBytes())))
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrainBytes)
	asked, _ := parseRetryAfter(resp.Header.Get("Retry-After"), time.Now(), maxRetryAfter)
	return attemptEnd{
		verdict: judgeStatus(resp.StatusCode),
		status:  resp.StatusCode,
		answer:  cut(clean(secrets.Redact(string(head), maxAnswerBytes)), maxAnswerBytes),
		asked:   asked,
	}
}

// cut returns at most so many bytes of valid UTF-8.
func cut(text string, limit int) string {
	return strings.ToValidUTF8(text[:min(limit, len(text))], "")
}

// clean makes a line of printable text out of an answer that may be anything.
func clean(answer string) string {
	text := strings.ToValidUTF8(answer, "")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text))
}
