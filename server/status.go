package server

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"strconv"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
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
	reasonCancelled         reason = "CANCELLED"
	reasonDeadline          reason = "DEADLINE_EXCEEDED"
	reasonInternal          reason = "INTERNAL"
)

// inputError says what is wrong with what the client has sent.
type inputError struct {
	reason reason
	field  string
	text   string
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

// publicStatus turns whatever ended an upload into what its client is told. It
// is the only place that does, as AIP-193 describes it: one code, a message for
// people, one ErrorInfo for programs and further details where they help.
func publicStatus(err error) error {
	if input, ok := errors.AsType[*inputError](err); ok {
		return withDetails(codes.InvalidArgument, input.Error(), input.reason,
			&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
				{Field: input.field, Description: input.text, Reason: string(input.reason)},
			}})
	}
	if failure, ok := errors.AsType[*intake.Error](err); ok {
		return intakeStatus(failure)
	}
	switch {
	case errors.Is(err, context.Canceled), status.Code(err) == codes.Canceled:
		return withDetails(codes.Canceled, "the client has cancelled the upload", reasonCancelled)
	case errors.Is(err, context.DeadlineExceeded), status.Code(err) == codes.DeadlineExceeded:
		return withDetails(codes.DeadlineExceeded, "the client's deadline has passed", reasonDeadline)
	}
	return withDetails(codes.Internal, errInternal.Error(), reasonInternal)
}

func intakeStatus(failure *intake.Error) error {
	code, why, text := codes.FailedPrecondition, reasonIntakeRefused, "the intake has refused"
	switch {
	case failure.HTTPStatus != 0 && failure.Retryable():
		code, why, text = codes.Unavailable, reasonIntakeUnavailable, "the intake is not able to take"
	case failure.HTTPStatus == 0 && failure.Timeout():
		code, why, text = codes.Unavailable, reasonIntakeTimeout, "the intake did not answer in time to"
	case failure.HTTPStatus == 0 && errors.Is(failure, context.Canceled):
		return publicStatus(context.Canceled)
	case failure.HTTPStatus == 0 && errors.Is(failure, context.DeadlineExceeded):
		return publicStatus(context.DeadlineExceeded)
	case failure.HTTPStatus == 0:
		code, why, text = codes.Unavailable, reasonIntakeUnreachable, "the intake can't be reached for"
	}
	text += " batch " + strconv.Itoa(int(failure.BatchNum))
	if failure.HTTPStatus != 0 {
		text += ": it answered " + strconv.Itoa(failure.HTTPStatus)
	}
	return withDetails(code, text, why, &symdbv1.IntakeFailure{
		HttpStatus: int32(failure.HTTPStatus),
		BatchNum:   failure.BatchNum,
		Answer:     failure.Answer,
	})
}

func withDetails(code codes.Code, message string, why reason, details ...protoadapt.MessageV1) error {
	info := &errdetails.ErrorInfo{Reason: string(why), Domain: errorDomain}
	st, err := status.New(code, message).WithDetails(append([]protoadapt.MessageV1{info}, details...)...)
	if err != nil {
		return status.Error(code, message)
	}
	return st.Err()
}

// recovered logs a panic, with its stack, and hides it from the client.
func (s *service) recovered(ctx context.Context, panicked any) error {
	s.logger.ErrorContext(ctx, "panic in a handler",
		slog.Any("panic", panicked), slog.String("stack", string(debug.Stack())))
	return publicStatus(errInternal)
}

// catch is to be deferred: it makes an error of a panic.
func (s *service) catch(ctx context.Context, err *error) {
	if panicked := recover(); panicked != nil {
		*err = s.recovered(ctx, panicked)
	}
}
