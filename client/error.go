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

// ErrUpload is what an error wraps when the upload was in order and its delivery
// failed: the server could not be reached, was overloaded, stopped or broke, or
// the intake behind it did. The same upload may succeed later. An error that
// does not wrap it (wrong input, missing permission, an intake that refuses what it
// gets, a fault that the server has logged, the caller's context, the caller's own
// sequence) comes back each time.
var ErrUpload = errors.New("upload not delivered")

// ErrEnded is returned by [Upload.Send] after [Upload.CloseAndReceive].
var ErrEnded = errors.New("upload has ended")

// Error is how an upload failed, as a gRPC status. Get at it with errors.As or
// errors.AsType; status.FromError and status.Code read it too. It wraps
// [ErrUpload] where the delivery failed, and the error and cause of the upload's
// context where that ended.
type Error struct {
	operation string
	status    *status.Status
	wrapped   []error
}

// Error returns the operation, the code's name and the message.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s: %s", e.operation, e.status.Code(), e.status.Message())
}

// Unwrap returns the errors that errors.Is finds in e, see [Error].
func (e *Error) Unwrap() []error { return e.wrapped }

// GRPCStatus returns the status, as package status of gRPC looks for it.
func (e *Error) GRPCStatus() *status.Status { return e.status }

// Code returns the code of the status, never codes.OK.
func (e *Error) Code() codes.Code { return e.status.Code() }

// Reason returns the reason that the server gave in its google.rpc.ErrorInfo,
// such as INTAKE_TIMEOUT or SCOPE_INVALID, and "" where it gave none, as when
// the server was not reached.
func (e *Error) Reason() string {
	return detail[*errdetails.ErrorInfo](e.status).GetReason()
}

// IntakeFailure returns what went wrong between the server and the intake, or
// nil where nothing did.
func (e *Error) IntakeFailure() *symdbv1.IntakeFailure {
	return detail[*symdbv1.IntakeFailure](e.status)
}

// FieldViolations returns the fields that the server found wrong, such as
// "metadata.upload_id" or "scope[17].symbols[2].name", with a description of
// each; none where the input was not the reason. The ordinal counts scopes as
// they were sent in the stream that failed, from 0: a scope that was split counts
// once for each part.
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

// receivedError describes an error of the RPC whose context is ctx.
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

// deadlineSlack allows for a server that also counts the caller's deadline, and
// is first to report it.
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

// localError describes what gRPC refused to send, whose status says nothing
// about the delivery, though its code be that of one.
func localError(operation string, err error) *Error {
	return &Error{operation: operation, status: status.Convert(err), wrapped: []error{err}}
}

func inputError(operation, message string) *Error {
	return &Error{operation: operation, status: status.New(codes.InvalidArgument, message)}
}

// isDelivery reports whether e is about the delivery, rather than about what was
// to be delivered or who wanted it, as docs/protocol.md has it. Codes that gRPC does
// not know are taken as it takes them, for UNKNOWN.
func (e *Error) isDelivery() bool {
	switch e.Code() {
	case codes.OK, codes.InvalidArgument, codes.OutOfRange, codes.NotFound, codes.AlreadyExists,
		codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition, codes.Unimplemented:
		return false
	case codes.ResourceExhausted:
		return e.Reason() != "" // without one it is gRPC's own: a message is too long
	case codes.Internal:
		return e.Reason() == "" // with one it is a fault of the server's, to be reported
	case codes.Unavailable, codes.Aborted, codes.Unknown, codes.DataLoss,
		codes.Canceled, codes.DeadlineExceeded:
		return true
	default:
		return true
	}
}
