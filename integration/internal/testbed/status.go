package testbed

import (
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// RequireStatus fails the test unless err is a status with that code and exactly one
// google.rpc.ErrorInfo, of this service's domain and with that reason, and has nothing
// internal to the server in it.
func (b *Bed) RequireStatus(tb testing.TB, err error, code codes.Code, reason string) *status.Status {
	tb.Helper()
	if err == nil {
		tb.Fatalf("the upload succeeded, want %v %s", code, reason)
	}
	st, ok := status.FromError(err)
	if !ok {
		tb.Fatalf("%v is no status, want %v %s", err, code, reason)
	}
	text := prototext.Format(st.Proto())
	if st.Code() != code {
		tb.Fatalf("code is %v, want %v; status:\n%s", st.Code(), code, text)
	}
	var infos []*errdetails.ErrorInfo
	for _, detail := range st.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			infos = append(infos, detail)
		case error:
			tb.Errorf("a detail can't be decoded: %v", detail)
		}
	}
	if len(infos) != 1 || infos[0].GetDomain() != "scopegate" || infos[0].GetReason() != reason {
		tb.Errorf("want exactly one ErrorInfo, with domain scopegate and reason %s; status:\n%s", reason, text)
	}
	for _, secret := range append([]string{"goroutine ", ".go:"}, b.secrets...) {
		if strings.Contains(text, secret) {
			tb.Errorf("the status contains %q:\n%s", secret, text)
		}
	}
	return st
}

// RequireInvalid fails the test unless err is INVALID_ARGUMENT with that reason
// and has exactly one field violation, of that field.
func (b *Bed) RequireInvalid(tb testing.TB, err error, reason, field string) {
	tb.Helper()
	if got := b.RequireViolation(tb, err, reason); got != field {
		tb.Errorf("violation of %q, want of %q", got, field)
	}
}

// RequireDenied fails the test unless err is PERMISSION_DENIED and has exactly one
// field violation, of that field.
func (b *Bed) RequireDenied(tb testing.TB, err error, field string) {
	tb.Helper()
	if got := requireViolation(tb, b.RequireStatus(tb, err, codes.PermissionDenied, "PERMISSION_DENIED")); got != field {
		tb.Errorf("violation of %q, want of %q", got, field)
	}
}

// RequireViolation fails the test unless err is INVALID_ARGUMENT with that reason
// and has exactly one field violation. It returns the field.
func (b *Bed) RequireViolation(tb testing.TB, err error, reason string) string {
	tb.Helper()
	return requireViolation(tb, b.RequireStatus(tb, err, codes.InvalidArgument, reason))
}

func requireViolation(tb testing.TB, st *status.Status) string {
	tb.Helper()
	var violations []*errdetails.BadRequest_FieldViolation
	for _, detail := range st.Details() {
		switch detail := detail.(type) {
		case *errdetails.BadRequest:
			violations = append(violations, detail.GetFieldViolations()...)
		case *symdbv1.IntakeFailure:
			tb.Errorf("invalid input is reported as an intake failure: %v", detail)
		}
	}
	if len(violations) != 1 || violations[0].GetField() == "" || violations[0].GetDescription() == "" {
		tb.Fatalf("violations %v, want one, with its field and a description", violations)
	}
	field := violations[0].GetField()
	if !strings.Contains(st.Message(), field) {
		tb.Errorf("message %q does not name %s", st.Message(), field)
	}
	return field
}

// RequireIntakeFailure fails the test unless err has that code and reason and
// exactly one IntakeFailure, with that HTTP status and batch number. It returns
// the failure.
func (b *Bed) RequireIntakeFailure(
	tb testing.TB, err error, code codes.Code, reason string, httpStatus, batchNum int32,
) *symdbv1.IntakeFailure {
	tb.Helper()
	st := b.RequireStatus(tb, err, code, reason)
	var failures []*symdbv1.IntakeFailure
	for _, detail := range st.Details() {
		switch detail := detail.(type) {
		case *symdbv1.IntakeFailure:
			failures = append(failures, detail)
		case *errdetails.BadRequest:
			tb.Errorf("an intake failure is reported as invalid input: %v", detail)
		}
	}
	if len(failures) != 1 || failures[0].GetHttpStatus() != httpStatus || failures[0].GetBatchNum() != batchNum {
		tb.Fatalf("failures %v, want one with HTTP status %d of batch %d", failures, httpStatus, batchNum)
	}
	return failures[0]
}

// Progress returns the progress of the upload in the status, or nil.
func Progress(err error) *symdbv1.UploadProgress {
	for _, detail := range status.Convert(err).Details() {
		if progress, ok := detail.(*symdbv1.UploadProgress); ok {
			return progress
		}
	}
	return nil
}
