package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// ErrUpload is wrapped by errors in delivering a valid upload: the server, or the intake
// behind it, was unreachable, overloaded, stopping or broken. The same upload may succeed
// later. Other errors do not wrap it, because they would recur: invalid input, missing
// permission, data that the intake refuses, a bug that the server has logged, an error of
// the caller's sequence. Neither does an error of the caller's context: whether to try
// again after a deadline is up to the caller.
var ErrUpload = errors.New("upload not delivered")

// IsRetryable reports whether the same upload may succeed later: whether err wraps
// [ErrUpload]. The client has already retried as often as its options permit.
func IsRetryable(err error) bool { return errors.Is(err, ErrUpload) }

// ErrEnded is returned by [Stream.Send] after [Stream.CloseAndReceive], and by
// [Uploader.Add] after [Uploader.Close].
var ErrEnded = errors.New("upload has ended")

// Error is the failure of an upload. It has a gRPC status, which status.FromError and
// status.Code also return. It wraps [ErrUpload] if the delivery failed, and the error and
// cause of the upload's context if that was done.
type Error struct {
	operation string
	status    *status.Status
	wrapped   []error
}

// Error returns the operation, the code's name and the message.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s: %s", e.operation, e.status.Code(), e.status.Message())
}

// Unwrap returns the wrapped errors, see [Error].
func (e *Error) Unwrap() []error { return e.wrapped }

// GRPCStatus returns the status, for gRPC's package status.
func (e *Error) GRPCStatus() *status.Status { return e.status }

// Code returns the code of the status, never codes.OK.
func (e *Error) Code() codes.Code { return e.status.Code() }

// Reason returns the reason in the server's google.rpc.ErrorInfo, such as
// [ReasonScopeInvalid], or "" if there is none, for example because the server was not
// reached.
func (e *Error) Reason() string {
	return detail[*errdetails.ErrorInfo](e.status).GetReason()
}

// IntakeFailure returns the failure between the server and the intake, or nil if there
// was none.
func (e *Error) IntakeFailure() *symdbv1.IntakeFailure {
	return detail[*symdbv1.IntakeFailure](e.status)
}

// FieldViolations returns the fields that the server refused, such as
// "metadata.upload_id" or "scope[17].symbols[2].name", with descriptions. The index of a
// scope counts the scopes sent in the stream that failed, from 0; each part of a split
// scope counts.
func (e *Error) FieldViolations() []*errdetails.BadRequest_FieldViolation {
	return detail[*errdetails.BadRequest](e.status).GetFieldViolations()
}

// detail returns the first detail of type D, or D's zero value.
func detail[D any](s *status.Status) D {
	for _, d := range s.Details() {
		if found, ok := d.(D); ok {
			return found
		}
	}
	var none D
	return none
}

// receivedError returns the Error for an error of the RPC whose context is ctx.
func receivedError(ctx context.Context, operation string, err error) *Error {
	s, ok := status.FromError(err)
	if !ok {
		s = status.FromContextError(err)
	}
	e := &Error{operation: operation, status: s, wrapped: []error{err}}
	switch {
	case s.Code() == codes.Canceled && ctx.Err() != nil,
		s.Code() == codes.DeadlineExceeded && deadlinePassed(ctx):
		e.wrapped = append(e.wrapped, contextErrors(ctx)...)
	case e.isDelivery():
		e.wrapped = append(e.wrapped, ErrUpload)
	}
	return e
}

// deadlineSlack allows for a server that reports the caller's deadline a little early.
const deadlineSlack = 100 * time.Millisecond

func deadlinePassed(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(deadline) < deadlineSlack
}

func contextErrors(ctx context.Context) []error {
	if ctx.Err() == nil {
		return []error{context.DeadlineExceeded}
	}
	return []error{ctx.Err(), context.Cause(ctx)}
}

// localError returns the Error for a message that gRPC refused to send. It does not wrap
// ErrUpload, whatever its code.
func localError(operation string, err error) *Error {
	return &Error{operation: operation, status: status.Convert(err), wrapped: []error{err}}
}

func inputError(operation, message string) *Error {
	return &Error{operation: operation, status: status.New(codes.InvalidArgument, message)}
}

// isDelivery reports whether e is about the delivery rather than the input or the
// caller, see docs/protocol.md. Like gRPC, it treats unknown codes as UNKNOWN.
func (e *Error) isDelivery() bool {
	switch e.Code() {
	case codes.OK, codes.InvalidArgument, codes.OutOfRange, codes.NotFound, codes.AlreadyExists,
		codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition, codes.Unimplemented:
		return false
	case codes.ResourceExhausted:
		return e.Reason() == ReasonOverloaded // otherwise a message is too long, for the server or for gRPC
	case codes.Internal:
		return e.Reason() == "" // with one it is a bug of the server
	case codes.Unavailable, codes.Aborted, codes.Unknown, codes.DataLoss,
		codes.Canceled, codes.DeadlineExceeded:
		return true
	default:
		return true
	}
}
