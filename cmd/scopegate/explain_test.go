package main

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/uploading"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/grpctest"
	"github.com/scopegate/scopegate/integration/pki"
)

// The error without a server says what to do.
func TestUploadExplainsConnections(t *testing.T) {
	t.Parallel()
	plain := newStack(t).server
	authority := pki.NewAuthority(t, "one")
	dir := t.TempDir()
	pair := authority.Issue(t, "server")
	expired := authority.Issue(t, "expired", pki.Valid(-48*time.Hour, -24*time.Hour))
	ca := pki.Write(t, dir, "ca.crt", authority.PEM)
	serve := startCommand(t, noVariables, "serve", "--listen", "127.0.0.1:0", "--intake-url", "http://127.0.0.1:1/",
		"--tls-cert", pki.Write(t, dir, "server.crt", pair.Cert), "--tls-key", pki.Write(t, dir, "server.key", pair.Key))
	t.Cleanup(func() { serve.stop() })
	overTLS := serve.address()
	web, past := httptest.NewServer(http.NotFoundHandler()), httptest.NewUnstartedServer(http.NotFoundHandler())
	past.EnableHTTP2, past.TLS = true, &tls.Config{Certificates: []tls.Certificate{expired.TLS(t)}}
	past.Config.ErrorLog = log.New(io.Discard, "", 0)
	past.StartTLS()
	t.Cleanup(func() {
		web.Close()
		past.Close()
	})
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	absent := settings.UnixScheme + socketPath(t)
	const again = " (the same upload may succeed later)\n"
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"nobody": {
			[]string{"--server", "127.0.0.1:1"},
			exitDelivery,
			"scopegate upload: no server at 127.0.0.1:1: start one with `scopegate serve`, or set --server" + again,
		},
		"no socket": {[]string{"--server", absent}, exitDelivery, "upload: no server at " + absent + ": start one"},
		"nobody of two": {
			[]string{"--server", "127.0.0.1:1, " + absent}, exitDelivery, "upload: no server at 127.0.0.1:1 or " + absent + ": start one",
		},
		"no such name": {
			[]string{"--server", "a..example:1", "--plaintext"}, exitDelivery, "can't resolve the host name in a..example:1: check --server" + again,
		},
		"TLS to plaintext": {
			[]string{"--server", plain, "--ca", ca}, exitUsage, "the server at " + plain + " does not speak TLS: use --plaintext, without --tls,",
		},
		"plaintext to TLS": {
			[]string{"--server", overTLS}, exitDelivery, "the server at " + overTLS + " closed the connection: if it speaks TLS, set --tls or --ca" + again,
		},
		"--plaintext to TLS": {
			[]string{"--server", overTLS, "--plaintext"}, exitDelivery, ": if it speaks TLS, set --tls or --ca instead of --plaintext" + again,
		},
		"untrusted":    {[]string{"--server", overTLS, "--tls"}, exitUsage, "has a certificate from an untrusted authority: set --ca to the authority's file: certificate signed"},
		"another name": {[]string{"--server", overTLS, "--ca", ca, "--server-name", "gate"}, exitUsage, "is for another host: check --server and --server-name: certificate is valid"},
		"expired":      {[]string{"--server", past.Listener.Addr().String(), "--ca", ca}, exitUsage, "has expired, or is not valid yet: "},
		"HTTP/1":       {[]string{"--server", web.Listener.Addr().String()}, exitUsage, "does not speak gRPC\n"},
		"silent": {
			[]string{"--server", silent.Addr().String(), "--timeout", "3s"},
			exitDelivery,
			"no answer from a server at " + silent.Addr().String() + " within the --timeout of 3s",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"upload", "--service", "shop", "--language", "ruby", "--max-attempts", "1", "-q", "-"}, test.args...)
			got := execute(t, line, args...)
			if got.code != test.code || !strings.Contains(got.stderr, test.want) {
				t.Errorf("%+v\nwant code %d, %s", got, test.code, test.want)
			}
			for _, word := range []string{"transport:", "desc =", "Unavailable"} {
				if strings.Contains(got.stderr, word) {
					t.Errorf("%q is no word for people: %s", word, got.stderr)
				}
			}
		})
	}
}

// A binary is uploaded again after a failure, unless retrying can't help.
func TestUploadRetriesWithReason(t *testing.T) {
	t.Parallel()
	withDWARF := binaryWithDWARF(t)
	got := execute(t, "", "upload", "--server", "127.0.0.1:1", "--max-attempts", "2", withDWARF)
	const reason = "no server at 127.0.0.1:1: start one with `scopegate serve`, or set --server"
	if form := regexp.MustCompile(`^` + regexp.QuoteMeta(reason) + `; retrying in \d+ms
scopegate upload: 2 attempts made no progress: ` + regexp.QuoteMeta(reason) + ` \(the same upload may succeed later\)
$`); got.code != exitDelivery || !form.MatchString(got.stderr) {
		t.Errorf("%+v, want code %d and stderr like %s", got, exitDelivery, form)
	}
	ca := pki.Write(t, t.TempDir(), "ca.crt", pki.NewAuthority(t, "one").PEM)
	got = execute(t, "", "upload", "--server", newStack(t).server, "--ca", ca, "--main-module", withDWARF)
	if got.code != exitUsage || !strings.Contains(got.stderr, "does not speak TLS") || strings.Contains(got.stderr, "retrying") {
		t.Errorf("%+v, want code %d at once", got, exitUsage)
	}
}

// answering is a server that ends each upload with the same status.
type answering struct {
	symdbv1.UnimplementedSymbolDatabaseServiceServer
	status *status.Status
}

func (a answering) UploadScopes(grpc.ClientStreamingServer[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse]) error {
	return a.status.Err()
}

// Each reason has the exit code and the advice that docs/protocol.md implies.
func TestExitCodesOfReasons(t *testing.T) {
	t.Parallel()
	const later = "(the same upload may succeed later)"
	tests := map[string]struct {
		code   codes.Code
		exit   int
		advice string
	}{
		"STREAM_INVALID":     {codes.InvalidArgument, exitInput, ""},
		"METADATA_INVALID":   {codes.InvalidArgument, exitInput, ""},
		"SCOPE_INVALID":      {codes.InvalidArgument, exitInput, ""},
		"SCOPE_TOO_LARGE":    {codes.InvalidArgument, exitInput, ""},
		"BATCH_TOO_LARGE":    {codes.InvalidArgument, exitInput, ""},
		"UNAUTHENTICATED":    {codes.Unauthenticated, exitFailure, "(set --token-file or SCOPEGATE_UPLOAD_TOKEN, or --cert and --key)"},
		"PERMISSION_DENIED":  {codes.PermissionDenied, exitFailure, "(use another --upload-id)"},
		"SHUTTING_DOWN":      {codes.Unavailable, exitDelivery, later},
		"CONNECTION_AGE":     {codes.Unavailable, exitDelivery, later},
		"OVERLOADED":         {codes.ResourceExhausted, exitDelivery, later},
		"TOO_SLOW":           {codes.Unavailable, exitDelivery, later},
		"INTAKE_UNREACHABLE": {codes.Unavailable, exitDelivery, later},
		"INTAKE_TIMEOUT":     {codes.Unavailable, exitDelivery, later},
		"INTAKE_UNAVAILABLE": {codes.Unavailable, exitDelivery, later},
		"INTAKE_REFUSED":     {codes.FailedPrecondition, exitFailure, "(retrying will not help until the server or its intake is fixed"},
		"AGENT_UNSUPPORTED":  {codes.FailedPrecondition, exitFailure, "(retrying will not help until the server or its intake is fixed"},
		"SCOPE_UNSPLITTABLE": {codes.FailedPrecondition, exitInput, "(leave out the scope; if small scopes fail too, tell the server's operator)"},
		"CANCELLED":          {codes.Canceled, exitDelivery, later},
		"DEADLINE_EXCEEDED":  {codes.DeadlineExceeded, exitDelivery, later},
		"INTERNAL":           {codes.Internal, exitFailure, "(this is a bug in the server: please report it, with the server's log)"},
	}
	document, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| `([A-Z_]+)` \\|").FindAllStringSubmatch(string(document), -1)
	if len(rows) < len(tests) {
		t.Errorf("%d reasons are documented, %d tested, want at least %v", len(rows), len(tests), len(tests))
	}
	for _, row := range rows {
		test, ok := tests[row[2]]
		var documented codes.Code
		if err := documented.UnmarshalJSON([]byte(`"` + row[1] + `"`)); !ok || err != nil || documented != test.code {
			t.Errorf("%s is documented with %s, %v, and tested with %s, want the same", row[2], row[1], err, test.code)
		}
	}
	for reason, test := range tests {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			st, err := status.New(test.code, "no").WithDetails(
				&errdetails.ErrorInfo{Domain: "scopegate", Reason: reason}, &symdbv1.IntakeFailure{HttpStatus: 400})
			if err != nil {
				t.Fatal(err)
			}
			address := serveStatus(t, st)
			args := []string{"upload", "--service", "shop", "--language", "ruby", "--max-attempts", "1", "--server", address, "-"}
			got := execute(t, line, args...)
			if got.code != test.exit || !strings.HasSuffix(got.stderr, strings.TrimSuffix(": no "+test.advice, " ")+"\n") &&
				(test.advice == "" || !strings.Contains(got.stderr, ": no "+test.advice)) {
				t.Errorf("%+v, want %d, %s", got, test.exit, test.advice)
			}
			var report uploading.Report
			got = execute(t, line, append(args, "--json")...)
			if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || report.Error == nil || got.code != test.exit ||
				report.Error.ExitCode != test.exit || report.Error.Retryable != (test.exit == exitDelivery) || report.Error.Reason != reason {
				t.Errorf("%v: %+v, want code %d in it as well, and reason %s", err, got, test.exit, reason)
			}
		})
	}
}

// A forbidden service needs other advice than another tenant's upload.
func TestUploadOfForbiddenService(t *testing.T) {
	t.Parallel()
	st, err := status.New(codes.PermissionDenied, "metadata.service: no").WithDetails(
		&errdetails.ErrorInfo{Domain: "scopegate", Reason: "PERMISSION_DENIED"},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "metadata.service", Description: "no"}}})
	if err != nil {
		t.Fatal(err)
	}
	got := execute(t, line, "upload", "--service", "shop", "--language", "ruby", "--server", serveStatus(t, st), "-")
	if got.code != exitFailure || !strings.Contains(got.stderr, "(use another --service, or ask") {
		t.Errorf("%+v, want code %d and advice about the service", got, exitFailure)
	}
}

// A certificate that the server does not accept needs other advice than none.
func TestUploadWithUnknownCertificate(t *testing.T) {
	t.Parallel()
	unauthenticated, err := status.New(codes.Unauthenticated, "no").WithDetails(&errdetails.ErrorInfo{Domain: "scopegate", Reason: "UNAUTHENTICATED"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		status     *status.Status
		cert, want string
	}{
		{unauthenticated, "shop.pem", "(the server does not accept the certificate; retrying will not help)"},
		{status.New(codes.Unavailable, "remote error: tls: certificate required"), "", "the server at gate requires a certificate that it trusts: set --cert"},
		{status.New(codes.Unavailable, "remote error: tls: certificate required"), "shop.pem", "the server at gate does not accept the certificate of --cert: it is from"},
		{status.New(codes.Unavailable, "remote error: tls: expired certificate"), "shop.pem", "the server at gate does not accept the certificate of --cert: it is from"},
	} {
		c, err := client.Dial(serveStatus(t, test.status), client.WithoutResume())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, err = c.Upload(t.Context(), client.Metadata{Service: "shop", Language: "ruby"}, func(func(*symdbv1.Scope, error) bool) {})
		explain := uploading.Explainer{
			Servers: []string{"gate"}, Security: uploading.SecurityFlags{Cert: test.cert}, Lines: &uploading.Lines{},
		}
		if got := explain.Final(err); !strings.Contains(got.Error(), test.want) || strings.Contains(got.Error(), "succeed later") {
			t.Errorf("got %q, want %q in it, and no hope", got, test.want)
		}
	}
}

// Errors without a reason are from gRPC or a proxy.
func TestExitCodesWithoutReason(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		code codes.Code
		exit int
	}{
		{codes.Unavailable, exitDelivery},
		{codes.Internal, exitDelivery},
		{codes.Unknown, exitDelivery},
		{codes.ResourceExhausted, exitInput},
		{codes.Unimplemented, exitFailure},
	} {
		got := execute(t, line, "upload", "--service", "shop", "--language", "ruby", "--max-attempts", "1",
			"--server", serveStatus(t, status.New(test.code, "no")), "-")
		if got.code != test.exit || strings.Contains(got.stderr, "succeed later") != (test.exit == exitDelivery) {
			t.Errorf("%v: %+v, want code %d", test.code, got, test.exit)
		}
	}
}

// serveStatus returns the address of a server that ends each upload with a status.
func serveStatus(t *testing.T, st *status.Status) string {
	t.Helper()
	return serveService(t, answering{status: st})
}

// serveService serves a service, and returns its address.
func serveService(t *testing.T, service symdbv1.SymbolDatabaseServiceServer) string {
	t.Helper()
	server := grpc.NewServer()
	symdbv1.RegisterSymbolDatabaseServiceServer(server, service)
	return grpctest.Serve(t, server)
}
