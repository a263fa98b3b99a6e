package upload

import (
	"errors"
	"strconv"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

// Causes that end a stream early. The client can resume the upload with another stream.
var (
	ErrShuttingDown  = errors.New("the server is stopping")
	ErrConnectionAge = errors.New("the connection has reached its maximum age")
	ErrTooSlow       = errors.New("the client has sent too little for too long")
	ErrMemory        = errors.New("the server is out of memory")
	ErrUnbegun       = errors.New("too many open uploads have sent no scope")
)

// errNoMetadata ends a stream whose client has sent nothing.
var errNoMetadata = &inputError{
	reason: ReasonStreamInvalid, field: "metadata", text: "required: nothing arrived in time",
}

// errTooLargeInDoubt ends a stream when the intake says that a batch is too large but may
// have accepted it in an earlier attempt. A new upload gets smaller batches.
var errTooLargeInDoubt = errors.New("the intake may have accepted a batch that it now refuses as too large")

func metadataInvalid(field, text string) *inputError {
	return &inputError{reason: ReasonMetadataInvalid, field: field, text: text}
}

// inputError reports invalid input from the client.
type inputError struct {
	reason Reason
	field  string
	text   string
	limits map[string]string // those exceeded, for ErrorInfo
}

func (e *inputError) Error() string { return e.field + ": " + e.text }

// scopeError returns the error for an invalid scope. Ordinals start at 0.
func scopeError(ordinal int64, err error) error {
	input := &inputError{reason: ReasonScopeInvalid, field: scopeField(ordinal), text: err.Error()}
	if fault, ok := errors.AsType[*transcode.Error](err); ok {
		input.text = fault.Fault.String()
		if fault.Field != "" {
			input.field += "." + fault.Field
		}
	}
	return input
}

// unsplittableError reports a root scope that is too large for the intake. The ordinal counts
// the scopes of the stream from 0.
type unsplittableError struct {
	*batch.UnsplittableError

	ordinal int64
}

// errInternal replaces errors that clients must not see.
var errInternal = errors.New("internal error")

// batchTooLarge returns the error for a single batch that exceeds one of the limits.
func batchTooLarge(limits batch.Limits) error {
	key, bytes, what := "max_batch_bytes", strconv.Itoa(limits.CompressedBytes), "bytes"
	if limits.CompressedBytes <= 0 {
		key, bytes, what = "max_batch_raw_bytes", strconv.FormatInt(limits.RawBytes, 10), "bytes of JSON"
	}
	return &inputError{
		reason: ReasonBatchTooLarge, field: "metadata.single_batch",
		text:   "the scopes make a batch larger than the limit of " + bytes + " " + what + "; send fewer in a stream",
		limits: map[string]string{key: bytes},
	}
}

// permanent reports whether doing the same again would fail again.
func permanent(err error) bool {
	if failure, ok := errors.AsType[*intake.Error](err); ok {
		return !failure.Retryable()
	}
	if _, ok := errors.AsType[*unsplittableError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*grpcwire.MessageTooLongError](err); ok {
		return true
	}
	_, ok := errors.AsType[*inputError](err)
	return ok
}
