package intake

import (
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"
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
// request.
func readAnswer(resp *http.Response, cancel func(), maxRetryAfter time.Duration) attemptEnd {
	defer resp.Body.Close()
	defer time.AfterFunc(maxDrainTime, cancel).Stop()
	head, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrainBytes)
	asked, _ := parseRetryAfter(resp.Header.Get("Retry-After"), time.Now(), maxRetryAfter)
	return attemptEnd{
		verdict: judgeStatus(resp.StatusCode),
		status:  resp.StatusCode,
		answer:  clean(head),
		asked:   asked,
	}
}

// clean makes a line of printable text out of an answer that may be anything.
func clean(answer []byte) string {
	text := strings.ToValidUTF8(string(answer), "")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text))
}
