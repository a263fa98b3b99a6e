package upload

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/access"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/memory"
)

// errorDomain is the domain of every google.rpc.ErrorInfo of this service.
const errorDomain = "scopegate"

// Reason is the reason of a google.rpc.ErrorInfo. docs/protocol.md says what a client
// should do for each.
type Reason string

// The reasons. ReasonNone stands for success.
const (
	ReasonNone              Reason = "NONE"
	ReasonStreamInvalid     Reason = "STREAM_INVALID"
	ReasonMetadataInvalid   Reason = "METADATA_INVALID"
	ReasonScopeInvalid      Reason = "SCOPE_INVALID"
	ReasonScopeTooLarge     Reason = "SCOPE_TOO_LARGE"
	ReasonIntakeUnreachable Reason = "INTAKE_UNREACHABLE"
	ReasonIntakeTimeout     Reason = "INTAKE_TIMEOUT"
	ReasonIntakeUnavailable Reason = "INTAKE_UNAVAILABLE"
	ReasonIntakeRefused     Reason = "INTAKE_REFUSED"
	ReasonAgentUnsupported  Reason = "AGENT_UNSUPPORTED"
	ReasonScopeUnsplittable Reason = "SCOPE_UNSPLITTABLE"
	ReasonBatchTooLarge     Reason = "BATCH_TOO_LARGE"
	ReasonShuttingDown      Reason = "SHUTTING_DOWN"
	ReasonConnectionAge     Reason = "CONNECTION_AGE"
	ReasonTooSlow           Reason = "TOO_SLOW"
	ReasonUnauthenticated   Reason = "UNAUTHENTICATED"
	ReasonPermission        Reason = "PERMISSION_DENIED"
	ReasonOverloaded        Reason = "OVERLOADED"
	ReasonCancelled         Reason = "CANCELLED"
	ReasonDeadline          Reason = "DEADLINE_EXCEEDED"
	ReasonInternal          Reason = "INTERNAL"
)

// Status turns an error into the gRPC status for the client. All statuses are made here,
// as AIP-193 describes: a code, a message for people, an ErrorInfo for programs, and
// further details. Errors worth a retry carry the progress, unless it is nil because it is
// not known.
func Status(err error, progress *symdbv1.UploadProgress) error {
	if input, ok := errors.AsType[*inputError](err); ok {
		return inputStatus(input)
	}
	if errors.Is(err, intake.ErrUnreadable) {
		return overloadStatus(ErrMemory.Error(), progress) // the spool stands in for memory
	}
	if failure, ok := errors.AsType[*intake.Error](err); ok {
		return intakeStatus(failure, progress)
	}
	if unsplittable, ok := errors.AsType[*unsplittableError](err); ok {
		field, text := scopeField(unsplittable.ordinal), "too large for the intake: "+unsplittable.Error()
		return publicError{codes.FailedPrecondition, ReasonScopeUnsplittable, field + ": " + text}.status(
			&symdbv1.IntakeFailure{HttpStatus: http.StatusRequestEntityTooLarge},
			badRequest(field, text, ReasonScopeUnsplittable))
	}
	if overload, ok := errors.AsType[*memory.OverloadError](err); ok {
		return overloadStatus(overload.Error(), progress)
	}
	switch {
	case errors.Is(err, access.ErrUnauthenticated):
		return publicError{codes.Unauthenticated, ReasonUnauthenticated, access.ErrUnauthenticated.Error()}.status()
	case errors.Is(err, access.ErrPermission):
		return publicError{codes.PermissionDenied, ReasonPermission, access.ErrPermission.Error()}.status()
	case errors.Is(err, access.ErrService):
		return inputStatus(&inputError{reason: ReasonPermission, field: "metadata.service", text: err.Error()})
	case errors.Is(err, ErrMemory), errors.Is(err, ErrUnbegun):
		return overloadStatus(err.Error(), progress)
	case errors.Is(err, ErrTooSlow):
		return publicError{codes.Unavailable, ReasonTooSlow, err.Error()}.status(again(retryDelay, progress)...)
	case errors.Is(err, ErrShuttingDown):
		return publicError{codes.Unavailable, ReasonShuttingDown, err.Error()}.status(again(0, progress)...)
	case errors.Is(err, ErrConnectionAge):
		return publicError{codes.Unavailable, ReasonConnectionAge, err.Error()}.status(again(0, progress)...)
	case errors.Is(err, errTooLargeInDoubt):
		return publicError{codes.Unavailable, ReasonIntakeUnavailable, err.Error()}.status(append(
			again(retryDelay, nil), &symdbv1.IntakeFailure{HttpStatus: http.StatusRequestEntityTooLarge})...)
	case errors.Is(err, context.Canceled), status.Code(err) == codes.Canceled:
		return publicError{codes.Canceled, ReasonCancelled, "the client has cancelled the upload"}.status()
	case errors.Is(err, context.DeadlineExceeded), status.Code(err) == codes.DeadlineExceeded:
		return publicError{codes.DeadlineExceeded, ReasonDeadline, "the client's deadline has passed"}.status()
	}
	if tooLong, ok := errors.AsType[*grpcwire.MessageTooLongError](err); ok {
		return publicError{codes.ResourceExhausted, ReasonScopeTooLarge, tooLong.Error()}.status()
	}
	if unreadable, ok := errors.AsType[*grpcwire.UnreadableError](err); ok {
		return publicError{codes.Internal, ReasonInternal, unreadable.Error()}.status()
	}
	return publicError{codes.Internal, ReasonInternal, errInternal.Error()}.status()
}

func inputStatus(input *inputError) error {
	code := codes.InvalidArgument
	if input.reason == ReasonPermission {
		code = codes.PermissionDenied
	}
	return publicError{code, input.reason, input.Error()}.statusWithMetadata(input.limits,
		badRequest(input.field, input.text, input.reason))
}

// badRequest returns the detail that names a field.
func badRequest(field, text string, reason Reason) *errdetails.BadRequest {
	return &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
		{Field: field, Description: text, Reason: string(reason)},
	}}
}

// An overloaded server asks clients to wait for a random time between these, so that
// clients refused together do not return together.
const minOverloadDelay, maxOverloadDelay = time.Second, 5 * time.Second

func overloadStatus(text string, progress *symdbv1.UploadProgress) error {
	delay := minOverloadDelay + rand.N(maxOverloadDelay-minOverloadDelay) //nolint:gosec // spreads load, guards nothing
	return publicError{codes.ResourceExhausted, ReasonOverloaded, text}.status(again(delay, progress)...)
}

// retryDelay is how long a client should wait if the intake has sent no Retry-After.
const retryDelay = time.Second

func intakeStatus(failure *intake.Error, progress *symdbv1.UploadProgress) error {
	public := publicError{code: codes.Unavailable}
	switch {
	case failure.HTTPStatus != 0 && failure.Retryable(), failure.Held():
		public.reason, public.text = ReasonIntakeUnavailable, "the intake is unable to accept"
	case failure.Unsupported != "":
		public = publicError{codes.FailedPrecondition, ReasonAgentUnsupported, failure.Unsupported + ", and refused"}
	case failure.HTTPStatus != 0:
		public = publicError{codes.FailedPrecondition, ReasonIntakeRefused, "the intake has refused"}
	case failure.Timeout():
		public.reason, public.text = ReasonIntakeTimeout, "the intake did not answer in time to"
	case errors.Is(failure, context.Canceled):
		return Status(context.Canceled, nil)
	case errors.Is(failure, context.DeadlineExceeded):
		return Status(context.DeadlineExceeded, nil)
	default:
		public.reason, public.text = ReasonIntakeUnreachable, "the intake can't be reached for"
	}
	public.text += " batch " + strconv.Itoa(int(failure.BatchNum))
	if failure.HTTPStatus != 0 {
		public.text += ": it answered " + strconv.Itoa(failure.HTTPStatus)
	}
	if _, ok := errors.AsType[*intake.ProxyError](failure); ok {
		public.text += ": a proxy refuses to connect to it"
	}
	// The intake's answer is in the log only. It may concern more than this client.
	details := []protoadapt.MessageV1{&symdbv1.IntakeFailure{
		HttpStatus: int32(failure.HTTPStatus), BatchNum: failure.BatchNum,
	}}
	if failure.Retryable() {
		details = append(details, again(max(failure.RetryAfter, retryDelay), progress)...)
	}
	return public.status(details...)
}

// again returns the details that a client needs to retry.
func again(delay time.Duration, progress *symdbv1.UploadProgress) []protoadapt.MessageV1 {
	details := []protoadapt.MessageV1{&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)}}
	if progress != nil {
		details = append(details, progress)
	}
	return details
}

// publicError is a status to be built.
type publicError struct {
	code   codes.Code
	reason Reason
	text   string
}

func (p publicError) status(details ...protoadapt.MessageV1) error {
	return p.statusWithMetadata(nil, details...)
}

func (p publicError) statusWithMetadata(metadata map[string]string, details ...protoadapt.MessageV1) error {
	info := &errdetails.ErrorInfo{Reason: string(p.reason), Domain: errorDomain, Metadata: metadata}
	st, err := status.New(p.code, p.text).WithDetails(append([]protoadapt.MessageV1{info}, details...)...)
	if err != nil {
		return status.Error(p.code, p.text)
	}
	return st.Err()
}

// Outcome is a stream's gRPC status code and the reason of its ErrorInfo.
type Outcome struct {
	Code   codes.Code
	Reason Reason
}

// outcomes lists all outcomes of Status.
var outcomes = []Outcome{
	{codes.OK, ReasonNone},
	{codes.InvalidArgument, ReasonStreamInvalid},
	{codes.InvalidArgument, ReasonMetadataInvalid},
	{codes.InvalidArgument, ReasonScopeInvalid},
	{codes.InvalidArgument, ReasonScopeTooLarge},
	{codes.InvalidArgument, ReasonBatchTooLarge},
	{codes.FailedPrecondition, ReasonIntakeRefused},
	{codes.FailedPrecondition, ReasonAgentUnsupported},
	{codes.FailedPrecondition, ReasonScopeUnsplittable},
	{codes.Unavailable, ReasonIntakeUnreachable},
	{codes.Unavailable, ReasonIntakeTimeout},
	{codes.Unavailable, ReasonIntakeUnavailable},
	{codes.Unavailable, ReasonShuttingDown},
	{codes.Unavailable, ReasonConnectionAge},
	{codes.Unavailable, ReasonTooSlow},
	{codes.Unauthenticated, ReasonUnauthenticated},
	{codes.PermissionDenied, ReasonPermission},
	{codes.ResourceExhausted, ReasonOverloaded},
	{codes.ResourceExhausted, ReasonScopeTooLarge},
	{codes.Canceled, ReasonCancelled},
	{codes.DeadlineExceeded, ReasonDeadline},
	{codes.Internal, ReasonInternal},
}

// Outcomes returns all possible outcomes of a stream.
func Outcomes() []Outcome { return slices.Clone(outcomes) }

// OutcomeOf returns the outcome of an error from [Status].
func OutcomeOf(public error) Outcome {
	if public == nil {
		return Outcome{codes.OK, ReasonNone}
	}
	st := status.Convert(public)
	for _, detail := range st.Details() {
		if found, ok := detail.(*errdetails.ErrorInfo); ok {
			return Outcome{st.Code(), Reason(found.GetReason())}
		}
	}
	return Outcome{st.Code(), ReasonInternal}
}
