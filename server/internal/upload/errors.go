package upload

import (
	"errors"
	"strconv"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

// Causes that end a stream before its client does. The client resumes the upload in
// another stream.
var (
	ErrShuttingDown  = errors.New("the server is stopping")
	ErrConnectionAge = errors.New("the connection has reached its age")
	ErrTooSlow       = errors.New("the client has sent too little for too long")
	ErrMemory        = errors.New("the server is out of memory")
	ErrUnbegun       = errors.New("too many uploads are open that have sent no scope")
)

// errNoMetadata ends a stream whose client has sent nothing at all.
var errNoMetadata = &inputError{
	reason: ReasonStreamInvalid, field: "metadata", text: "required: nothing came for too long",
}

// errTooLargeInDoubt ends a stream of which the intake may have taken a batch,
// unheard, before it said that it is too large. Smaller batches of another upload
// may pass.
var errTooLargeInDoubt = errors.New("the intake found a batch too large that it may have taken before")

func metadataInvalid(field, text string) *inputError {
	return &inputError{reason: ReasonMetadataInvalid, field: field, text: text}
}

// inputError says what is wrong with what the client has sent.
type inputError struct {
	reason Reason
	field  string
	text   string
	limits map[string]string // what was exceeded, for programs
}

func (e *inputError) Error() string { return e.field + ": " + e.text }

// scopeError says what is wrong with a scope, counted from 0.
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

// errInternal stands for what the client must not see.
var errInternal = errors.New("internal error")

// batchTooLarge says that a stream does not fit into one batch, of which one of the
// sizes is limited.
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
	if _, ok := errors.AsType[*batch.UnsplittableError](err); ok {
		return true
	}
	_, ok := errors.AsType[*inputError](err)
	return ok
}
