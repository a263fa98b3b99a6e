package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

// errorDomain is the domain of every google.rpc.ErrorInfo of this service.
const errorDomain = "scopegate"

// reason is the reason of a google.rpc.ErrorInfo. docs/protocol.md lists what a
// client shall do on each.
type reason string

const (
	reasonStreamInvalid     reason = "STREAM_INVALID"
	reasonMetadataInvalid   reason = "METADATA_INVALID"
	reasonScopeInvalid      reason = "SCOPE_INVALID"
	reasonScopeTooLarge     reason = "SCOPE_TOO_LARGE"
	reasonIntakeUnreachable reason = "INTAKE_UNREACHABLE"
	reasonIntakeTimeout     reason = "INTAKE_TIMEOUT"
	reasonIntakeUnavailable reason = "INTAKE_UNAVAILABLE"
	reasonIntakeRefused     reason = "INTAKE_REFUSED"
	reasonScopeUnsplittable reason = "SCOPE_UNSPLITTABLE"
	reasonBatchTooLarge     reason = "BATCH_TOO_LARGE"
	reasonShuttingDown      reason = "SHUTTING_DOWN"
	reasonConnectionAge     reason = "CONNECTION_AGE"
	reasonCancelled         reason = "CANCELLED"
	reasonDeadline          reason = "DEADLINE_EXCEEDED"
	reasonInternal          reason = "INTERNAL"
)

// inputError says what is wrong with what the client has sent.
type inputError struct {
	reason reason
	field  string
	text   string
	limits map[string]string // what was exceeded, for programs
}

func (e *inputError) Error() string { return e.field + ": " + e.text }

// scopeError says what is wrong with a scope, counted from 0.
func scopeError(ordinal int64, err error) error {
	input := &inputError{reason: reasonScopeInvalid, field: scopeField(ordinal), text: err.Error()}
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

// batchTooLarge says that a stream does not fit into one batch.
func batchTooLarge(limit int) error {
	bytes := strconv.Itoa(limit)
	return &inputError{
		reason: reasonBatchTooLarge, field: "metadata.single_batch",
		text:   "the scopes make a batch larger than the limit of " + bytes + " bytes; send fewer in a stream",
		limits: map[string]string{"max_batch_bytes": bytes},
	}
}

// permanent tells that doing the same again would fail again.
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

// publicStatus turns whatever ended a stream into what its client is told. It is
// the only place that does, as AIP-193 describes it: one code, a message for
// people, one ErrorInfo for programs and further details where they help. What
// is worth trying again carries the progress, unless that is nil: not known.
func publicStatus(err error, progress *symdbv1.UploadProgress) error {
	if input, ok := errors.AsType[*inputError](err); ok {
		return publicError{
			code: codes.InvalidArgument, text: input.Error(), reason: input.reason, metadata: input.limits,
			details: []protoadapt.MessageV1{&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
				{Field: input.field, Description: input.text, Reason: string(input.reason)},
			}}},
		}.status()
	}
	if failure, ok := errors.AsType[*intake.Error](err); ok {
		return intakeStatus(failure, progress)
	}
	if unsplittable, ok := errors.AsType[*batch.UnsplittableError](err); ok {
		return publicError{
			code: codes.FailedPrecondition, text: "the intake takes no batch as large as " + unsplittable.Error(),
			reason: reasonScopeUnsplittable, details: []protoadapt.MessageV1{
				&symdbv1.IntakeFailure{HttpStatus: http.StatusRequestEntityTooLarge},
			},
		}.status()
	}
	switch {
	case errors.Is(err, errShuttingDown):
		return publicError{code: codes.Unavailable, text: err.Error(), reason: reasonShuttingDown}.again(0, progress)
	case errors.Is(err, errConnectionAge):
		return publicError{code: codes.Unavailable, text: err.Error(), reason: reasonConnectionAge}.again(0, progress)
	case errors.Is(err, context.Canceled), status.Code(err) == codes.Canceled:
		return publicError{code: codes.Canceled, text: "the client has cancelled the upload", reason: reasonCancelled}.status()
	case errors.Is(err, context.DeadlineExceeded), status.Code(err) == codes.DeadlineExceeded:
		return publicError{code: codes.DeadlineExceeded, text: "the client's deadline has passed", reason: reasonDeadline}.status()
	}
	return publicError{code: codes.Internal, text: errInternal.Error(), reason: reasonInternal}.status()
}

// retryDelay is what a client is asked to wait where the intake has not asked
// for anything.
const retryDelay = time.Second

func intakeStatus(failure *intake.Error, progress *symdbv1.UploadProgress) error {
	public := publicError{code: codes.Unavailable}
	var text string
	switch {
	case failure.HTTPStatus != 0 && failure.Retryable():
		public.reason, text = reasonIntakeUnavailable, "the intake is not able to take"
	case failure.HTTPStatus != 0:
		public.code, public.reason, text = codes.FailedPrecondition, reasonIntakeRefused, "the intake has refused"
	case failure.Timeout():
		public.reason, text = reasonIntakeTimeout, "the intake did not answer in time to"
	case errors.Is(failure, context.Canceled):
		return publicStatus(context.Canceled, nil)
	case errors.Is(failure, context.DeadlineExceeded):
		return publicStatus(context.DeadlineExceeded, nil)
	default:
		public.reason, text = reasonIntakeUnreachable, "the intake can't be reached for"
	}
	public.text = text + " batch " + strconv.Itoa(int(failure.BatchNum))
	if failure.HTTPStatus != 0 {
		public.text += ": it answered " + strconv.Itoa(failure.HTTPStatus)
	}
	public.details = []protoadapt.MessageV1{&symdbv1.IntakeFailure{
		HttpStatus: int32(failure.HTTPStatus), BatchNum: failure.BatchNum, Answer: failure.Answer,
	}}
	if !failure.Retryable() {
		return public.status()
	}
	return public.again(max(failure.RetryAfter, retryDelay), progress)
}

// publicError is a status in the making.
type publicError struct {
	code     codes.Code
	text     string
	reason   reason
	metadata map[string]string
	details  []protoadapt.MessageV1
}

// again returns the status with what a client needs to try again.
func (p publicError) again(delay time.Duration, progress *symdbv1.UploadProgress) error {
	p.details = append(p.details, &errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
	if progress != nil {
		p.details = append(p.details, progress)
	}
	return p.status()
}

func (p publicError) status() error {
	info := &errdetails.ErrorInfo{Reason: string(p.reason), Domain: errorDomain, Metadata: p.metadata}
	st, err := status.New(p.code, p.text).WithDetails(append([]protoadapt.MessageV1{info}, p.details...)...)
	if err != nil {
		return status.Error(p.code, p.text)
	}
	return st.Err()
}

// logFailure logs why a stream failed, which the client is not told in full.
func (s *service) logFailure(ctx context.Context, uploadID string, err error) {
	s.logger.WarnContext(ctx, "upload failed", slog.String("upload_id", uploadID), slog.String("error", err.Error()))
}

// recovered logs a panic, with its stack, and hides it from the client.
func (s *service) recovered(ctx context.Context, panicked any) error {
	s.logger.ErrorContext(ctx, "panic in a handler",
		slog.Any("panic", panicked), slog.String("stack", string(debug.Stack())))
	return publicStatus(errInternal, nil)
}

// catch is to be deferred: it makes an error of a panic.
func (s *service) catch(ctx context.Context, err *error) {
	if panicked := recover(); panicked != nil {
		*err = s.recovered(ctx, panicked)
	}
}
