package intake

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Why a context ended, as opposed to that its owner has ended it.
var (
	errPostTimeout   = errors.New("no answer in time")
	errBatchDeadline = errors.New("not accepted before the batch's deadline")
)

// Error says why the intake did not accept a batch: what the last attempt has
// met, or why there was no further one.
type Error struct {
	// BatchNum is the number of the batch.
	BatchNum int32
	// HTTPStatus is the status of the answer; 0 where there was none.
	HTTPStatus int
	// Answer is the beginning of the answer's body, cleaned of control
	// characters; at most 512 bytes.
	Answer string
	// Relay is the proxy that the answer came through, and that may have given it
	// itself; empty where no proxy could have.
	Relay string
	// Err is what happened where there was no answer, without the URL.
	Err error
	// Attempts is how many attempts there were; 0 where the intake was known to
	// take nothing all the while.
	Attempts int
	// RetryAfter is what the last answer has asked for, at most
	// Retry.MaxRetryAfter; 0 if it did not.
	RetryAfter time.Duration

	inDoubt bool
}

func (e *Error) Error() string {
	text := "forward batch " + strconv.Itoa(int(e.BatchNum)) + ": "
	if e.Attempts > 1 {
		text += strconv.Itoa(e.Attempts) + " attempts: "
	}
	if e.HTTPStatus == 0 {
		return text + e.Err.Error()
	}
	text += "intake "
	if e.Relay != "" {
		text += "or proxy " + e.Relay + " "
	}
	text += "answered " + strconv.Itoa(e.HTTPStatus)
	if e.Answer != "" {
		text += ": " + e.Answer
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Timeout tells that the intake did not answer, or not accept, in time.
func (e *Error) Timeout() bool {
	return errors.Is(e.Err, errPostTimeout) || errors.Is(e.Err, errBatchDeadline)
}

// Retryable tells that the same batch may be accepted later.
func (e *Error) Retryable() bool { return e.HTTPStatus == 0 || judgeStatus(e.HTTPStatus).retry }

// TooLarge tells that the intake takes no batch of this size: it answered 413.
// The same scopes may be accepted in several batches.
func (e *Error) TooLarge() bool { return e.HTTPStatus == http.StatusRequestEntityTooLarge }

// InDoubt tells that the intake may have taken the batch without our knowing, in
// any of the attempts: the whole request may have gone out and no answer came, or
// a gateway's (500, 502, 504, or a 5xx of its own making), which may have failed
// after the batch was taken. If false, the intake has not taken it. A later
// refusal takes no doubt away.
func (e *Error) InDoubt() bool { return e.inDoubt }

// ended returns why the context ended, nil if it did not.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(cause, errPostTimeout), errors.Is(cause, errBatchDeadline):
		return cause
	}
	return err // not a cause of the caller's, which may say anything
}

// withoutURL returns what went wrong with a POST, without the URL, which may hold
// a secret: why its context ended, or else err.
func withoutURL(ended, err error) error {
	if ended != nil {
		return ended
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	return err
}
