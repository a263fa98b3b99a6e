package intake

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode"
)

// errPostTimeout is the cause of a context that ended because one POST took too
// long, as opposed to one that the caller has ended.
var errPostTimeout = errors.New("no answer in time")

// Error says why the intake did not accept a batch.
type Error struct {
	// BatchNum is the number of the batch.
	BatchNum int32
	// HTTPStatus is the status of the answer; 0 where there was none.
	HTTPStatus int
	// Answer is the beginning of the answer's body, cleaned of control
	// characters; at most 512 bytes.
	Answer string
	// Err is what happened where there was no answer, without the URL.
	Err error
}

func (e *Error) Error() string {
	text := "forward batch " + strconv.Itoa(int(e.BatchNum)) + ": "
	switch {
	case e.HTTPStatus == 0:
		return text + e.Err.Error()
	case e.Answer == "":
		return text + "intake answered " + strconv.Itoa(e.HTTPStatus)
	}
	return text + "intake answered " + strconv.Itoa(e.HTTPStatus) + ": " + e.Answer
}

func (e *Error) Unwrap() error { return e.Err }

// Timeout tells that the intake did not answer in time.
func (e *Error) Timeout() bool { return errors.Is(e.Err, errPostTimeout) }

// Retryable tells that the same batch may be accepted later.
func (e *Error) Retryable() bool {
	switch e.HTTPStatus {
	case 0, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return e.HTTPStatus >= 500
}

// noAnswer describes a POST that brought no answer.
func noAnswer(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

const (
	maxAnswerBytes = 512
	// maxDrainBytes is how much of an answer is read so that the connection can
	// be used again.
	maxDrainBytes = 64 << 10
)

// readAnswer returns nil for a status of 2xx, whatever the body.
func readAnswer(ctx context.Context, resp *http.Response) error {
	accepted := resp.StatusCode >= 200 && resp.StatusCode < 300
	head, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	_, err := io.CopyN(io.Discard, resp.Body, maxDrainBytes)
	if accepted {
		return nil
	}
	if err != nil && !errors.Is(err, io.EOF) && ctx.Err() != nil {
		err = context.Cause(ctx)
	} else {
		err = nil
	}
	return &Error{HTTPStatus: resp.StatusCode, Answer: clean(head), Err: err}
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
