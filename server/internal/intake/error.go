package intake

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Causes of the contexts and deadlines that this package sets itself.
var (
	errPostTimeout   = errors.New("no answer in time")
	errBatchDeadline = errors.New("not accepted before the batch's deadline")
)

// ErrUnreadable is in an [Error] if the batch could not be read from the spool. It is not
// the intake's fault, and the batch is not sent again.
var ErrUnreadable = errors.New("the batch can't be read from the spool")

// Error says why the intake did not accept a batch: how the last attempt failed, or why
// there was no other one.
type Error struct {
	// BatchNum is the number of the batch.
	BatchNum int32
	// HTTPStatus is the status of the answer; 0 if there was none.
	HTTPStatus int
	// Answer is the start of the answer's body without control characters, at most
	// 512 bytes.
	Answer string
	// Relay is the proxy that may have given the answer instead of the intake; empty
	// if none could.
	Relay string
	// Unsupported says why an agent that answered 404 can't take symbols. It is empty if
	// it can, or if that is not known.
	Unsupported string
	// Err is what happened if there was no answer, without the URL.
	Err error
	// Attempts is the number of attempts; 0 if the intake was down or throttling all the
	// time.
	Attempts int
	// RetryAfter is the Retry-After of the last answer, at most Retry.MaxRetryAfter; 0
	// if it had none. If Held, it is the time until the next attempt may start.
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
	if e.Unsupported != "" {
		text += ": " + e.Unsupported
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether the intake did not answer, or did not accept, in time.
func (e *Error) Timeout() bool {
	return errors.Is(e.Err, errPostTimeout) || errors.Is(e.Err, errBatchDeadline)
}

// Held reports whether there was no attempt because the intake is down, or has asked for
// a pause, for too long.
func (e *Error) Held() bool { return errors.Is(e.Err, errHeld) }

// Retryable reports whether the same batch may be accepted later.
func (e *Error) Retryable() bool { return e.HTTPStatus == 0 || judgeStatus(e.HTTPStatus).retry }

// TooLarge reports whether the batch is too large for the intake, which answered 413.
// The intake may accept the same scopes in several batches.
func (e *Error) TooLarge() bool { return e.HTTPStatus == http.StatusRequestEntityTooLarge }

// InDoubt reports whether the intake may have accepted the batch in any of the attempts,
// unknown to the client. Either the whole request may have gone out and no answer came;
// or a gateway answered (500, 502, 504 or an unknown 5xx), which may have failed after
// the intake took the batch. A later refusal does not remove the doubt. If false, the
// intake has not taken the batch.
func (e *Error) InDoubt() bool { return e.inDoubt }

// contextErr returns why ctx ended, or nil if it has not. It does not return the causes
// of callers, which may contain secrets.
func contextErr(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(cause, errPostTimeout), errors.Is(cause, errBatchDeadline):
		return cause
	}
	return err
}

// withoutURL returns why a POST failed: stopped, which is why its context ended, or
// else err without the URL, which may contain a secret.
func withoutURL(stopped, err error) error {
	if stopped != nil {
		return stopped
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	return err
}
