package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/client/clienttest"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

func reason(r string) *errdetails.ErrorInfo {
	return &errdetails.ErrorInfo{Domain: "scopegate", Reason: r}
}

// afterMetadata delays end until the metadata has arrived, so that Upload can't fail.
func afterMetadata(end func(serverStream) error) func(serverStream) error {
	return func(stream serverStream) error {
		if _, err := stream.Recv(); err != nil {
			return err
		}
		return end(stream)
	}
}

// TestServerStatus ends uploads early, when Send only gets io.EOF.
func TestServerStatus(t *testing.T) {
	t.Parallel()
	violation := &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
		{Field: "scope[17].symbols[2].name", Description: "must be set"},
	}}
	for _, test := range []struct {
		code     codes.Code
		details  []protoadapt.MessageV1
		delivery bool
		reason   string
		http     int32
		field    string
	}{
		{
			code: codes.InvalidArgument, details: []protoadapt.MessageV1{reason("SCOPE_INVALID"), violation},
			reason: "SCOPE_INVALID", field: "scope[17].symbols[2].name",
		},
		{
			code: codes.Unavailable, details: []protoadapt.MessageV1{reason("INTAKE_UNAVAILABLE"), &symdbv1.IntakeFailure{HttpStatus: 503}},
			delivery: true, reason: "INTAKE_UNAVAILABLE", http: 503,
		},
		{
			code: codes.FailedPrecondition, details: []protoadapt.MessageV1{reason("INTAKE_REFUSED"), &symdbv1.IntakeFailure{HttpStatus: 403}},
			reason: "INTAKE_REFUSED", http: 403,
		},
		{
			code: codes.FailedPrecondition, details: []protoadapt.MessageV1{reason("SCOPE_UNSPLITTABLE"), &symdbv1.IntakeFailure{HttpStatus: 413}},
			reason: "SCOPE_UNSPLITTABLE", http: 413,
		},
		{code: codes.Internal, details: []protoadapt.MessageV1{reason("INTERNAL")}, reason: "INTERNAL"},
		{code: codes.Unavailable, details: []protoadapt.MessageV1{reason("SHUTTING_DOWN")}, delivery: true, reason: "SHUTTING_DOWN"},
		{code: codes.ResourceExhausted},
		{code: codes.ResourceExhausted, details: []protoadapt.MessageV1{reason("OVERLOADED")}, reason: "OVERLOADED", delivery: true},
		{code: codes.ResourceExhausted, details: []protoadapt.MessageV1{reason("SCOPE_TOO_LARGE")}, reason: "SCOPE_TOO_LARGE"},
		{code: codes.Internal, delivery: true},
		{code: codes.Unknown, delivery: true},
		{code: codes.Canceled, delivery: true},
		{code: codes.DeadlineExceeded, delivery: true},
		{code: codes.Code(99), delivery: true},
		{code: codes.FailedPrecondition},
		{code: codes.PermissionDenied},
		{code: codes.Unauthenticated},
		{code: codes.Unimplemented},
	} {
		t.Run(fmt.Sprint(test.code, test.reason), func(t *testing.T) {
			t.Parallel()
			st, err := status.New(test.code, "no").WithDetails(test.details...)
			if err != nil {
				t.Fatal(err)
			}
			c := serve(t, afterMetadata(func(serverStream) error { return st.Err() }))
			upload, err := c.OpenStream(t.Context(), metadata())
			if err != nil {
				t.Fatal(err)
			}
			first := sendUntilError(upload)
			if status.Code(first) != test.code {
				t.Fatalf("got %v, want code %v", first, test.code)
			}
			if errors.Is(first, client.ErrUpload) != test.delivery {
				t.Errorf("%v: ErrUpload %t, want %t", first, !test.delivery, test.delivery)
			}
			if errors.Is(first, context.Canceled) || errors.Is(first, context.DeadlineExceeded) {
				t.Errorf("%v: looks as if the caller's context had ended", first)
			}
			checkDetails(t, fmt.Errorf("wrapped: %w", first), test.reason, test.http, test.field)
			if again := upload.Send(scope("b")); again != first { //nolint:errorlint // the very same error is meant
				t.Errorf("Send again: %v, want %v", again, first)
			}
			if _, again := upload.CloseAndReceive(); again != first { //nolint:errorlint // the very same error is meant
				t.Errorf("CloseAndReceive: %v, want %v", again, first)
			}
		})
	}
}

func checkDetails(t *testing.T, err error, reason string, http int32, field string) {
	t.Helper()
	e, ok := errors.AsType[*client.Error](err)
	if !ok {
		t.Fatalf("got %T, want *client.Error", err)
	}
	if e.Code() != e.GRPCStatus().Code() {
		t.Errorf("Code %v differs from the status's", e.Code())
	}
	if e.Reason() != reason {
		t.Errorf("Reason %q, want %q", e.Reason(), reason)
	}
	if got := e.IntakeFailure(); (got != nil) != (http != 0) || got.GetHttpStatus() != http {
		t.Errorf("IntakeFailure %v, want HTTP status %d", got, http)
	}
	switch violations := e.FieldViolations(); {
	case field == "" && len(violations) > 0:
		t.Errorf("FieldViolations %v, want none", violations)
	case field != "" && (len(violations) != 1 || violations[0].GetField() != field):
		t.Errorf("FieldViolations %v, want %s", violations, field)
	}
}

func TestStatusAtTheEnd(t *testing.T) {
	t.Parallel()
	s := clienttest.New(t)
	s.FailNext(1, http.StatusServiceUnavailable)
	_, err := s.Dial(t).Upload(t.Context(), metadata(), sequence(scope("a")), client.WithoutResume())
	if !errors.Is(err, client.ErrUpload) || status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want %v and %v", err, client.ErrUpload, codes.Unavailable)
	}
}

func TestAnswerBeforeTheEnd(t *testing.T) {
	t.Parallel()
	c := serve(t, afterMetadata(func(stream serverStream) error {
		return stream.SendAndClose(&symdbv1.UploadScopesResponse{})
	}))
	upload, err := c.OpenStream(t.Context(), metadata())
	if err != nil {
		t.Fatal(err)
	}
	if err := sendUntilError(upload); !errors.Is(err, client.ErrUpload) || status.Code(err) != codes.Internal {
		t.Errorf("got %v, want ErrUpload with INTERNAL", err)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	c := dialAny(t, []string{"unix://" + filepath.Join(t.TempDir(), "none")})
	_, err := c.OpenStream(t.Context(), metadata())
	if !errors.Is(err, client.ErrUpload) || status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want ErrUpload with UNAVAILABLE", err)
	}
}

func TestContextEndedBefore(t *testing.T) {
	t.Parallel()
	c := clienttest.New(t).Dial(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.OpenStream(ctx, metadata())
	if !errors.Is(err, context.Canceled) || errors.Is(err, client.ErrUpload) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// TestServerReportsDeadlineFirst: the server reports the caller's deadline shortly before
// the caller's context ends.
func TestServerReportsDeadlineFirst(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		timeout time.Duration
		callers bool
	}{
		"the caller's": {50 * time.Millisecond, true},
		"the server's": {time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, func(serverStream) error { return status.Error(codes.DeadlineExceeded, "too late") })
			ctx, cancel := context.WithTimeout(t.Context(), test.timeout)
			defer cancel()
			upload, err := c.OpenStream(ctx, metadata())
			if err == nil {
				err = sendUntilError(upload)
			}
			if errors.Is(err, context.DeadlineExceeded) != test.callers || errors.Is(err, client.ErrUpload) == test.callers {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestInterceptorError: an error that is not a status is kept.
func TestInterceptorError(t *testing.T) {
	t.Parallel()
	broken := errors.New("no token")
	c := dialAny(t, []string{"localhost:1"}, client.WithDialOptions(grpc.WithStreamInterceptor(
		func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, grpc.Streamer, ...grpc.CallOption) (grpc.ClientStream, error) {
			return nil, broken
		},
	)))
	if _, err := c.OpenStream(t.Context(), metadata()); !errors.Is(err, broken) || status.Code(err) != codes.Unknown {
		t.Errorf("got %v, want the interceptor's error as UNKNOWN", err)
	}
}

// TestMessageOverSendLimit exceeds the limit of the connection, not the client's: a
// RESOURCE_EXHAUSTED that no server sent.
func TestMessageOverSendLimit(t *testing.T) {
	t.Parallel()
	s := clienttest.New(t)
	c := s.Dial(t, client.WithDialOptions(grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(1000))))
	_, err := c.Upload(t.Context(), metadata(), sequence(scope(strings.Repeat("x", 2000))))
	if status.Code(err) != codes.ResourceExhausted || errors.Is(err, client.ErrUpload) {
		t.Errorf("got %v, want RESOURCE_EXHAUSTED and not ErrUpload", err)
	}
	requireUnfinished(t, s)
}
