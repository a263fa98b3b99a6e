package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/wait"
)

// startServe runs serve with an admin port, and returns it and the two addresses.
func startServe(t *testing.T, getenv func(string) string, args ...string) (s *started, address, adminAddress string) {
	t.Helper()
	s = startCommand(t, getenv, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	address = s.address()
	// It is logged before the address is printed.
	found := regexp.MustCompile(`msg="admin port" address=(\S+)`).FindStringSubmatch(s.stderr.String())
	if found == nil {
		t.Fatalf("no admin port in %s", s.stderr.String())
	}
	return s, address, found[1]
}

// holdUpload begins an upload that does not end before the test does, or gives it
// up. It returns once the server has the upload.
func holdUpload(t *testing.T, address string) (giveUp context.CancelFunc) {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx, giveUp := context.WithCancel(t.Context())
	stream, err := symdbv1.NewSymbolDatabaseServiceClient(conn).UploadScopes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	metadata := &symdbv1.UploadMetadata{Service: "shop", Language: "ruby"}
	err = stream.Send(&symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Metadata{Metadata: metadata}})
	if err != nil {
		t.Fatal(err)
	}
	// The header comes as soon as the metadata is accepted.
	if _, err := stream.Header(); err != nil {
		t.Fatal(err)
	}
	return giveUp
}

// get asks for a path, and returns the status and the body.
func get(t *testing.T, address, path string) (status int, body string) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// waitForReadyz asks until /readyz returns the status.
func waitForReadyz(t *testing.T, address string, want int) {
	t.Helper()
	wait.Equal(t, "the status of /readyz", func() int { status, _ := get(t, address, "/readyz"); return status }, want)
}

// The admin port shows what the server does, but no secrets. It continues while the server
// stops.
func TestAdminPort(t *testing.T) {
	t.Parallel()
	getenv := variables(map[string]string{"SCOPEGATE_ADMIN_LISTEN": "127.0.0.1:0", "SCOPEGATE_API_KEY": canary})
	s, address, admin := startServe(t, getenv, "--shutdown-grace", "59s",
		"--intake-url", "http://"+canary+":"+canary+"@127.0.0.1:1/?key="+canary)
	waitForReadyz(t, admin, http.StatusOK)
	for path, want := range map[string]string{
		"/metrics":                       "scopegate_build_info{go_version=",
		"/metrics?":                      "\nscopegate_uploads_in_flight 0\n",
		"/metrics?&":                     "\ngo_goroutines ",
		"/healthz":                       "ok",
		"/":                              "scopegate",
		"/debug/pprof/goroutine?debug=2": "goroutine",
		"/debug/pprof/cmdline":           "Unknown profile",
	} {
		status, body := get(t, admin, path)
		if (status == http.StatusOK) != (path != "/debug/pprof/cmdline") || !strings.Contains(body, want) {
			t.Errorf("%s: %d, %.300s, want %q in it", path, status, body, want)
		}
		if strings.Contains(body, canary) {
			t.Errorf("there is a secret in %s", path)
		}
	}
	giveUp := holdUpload(t, address)
	s.cancel()
	waitForReadyz(t, admin, http.StatusServiceUnavailable)
	if status, body := get(t, admin, "/metrics"); status != http.StatusOK || !strings.Contains(body, "\nscopegate_ready 0\n") {
		t.Errorf("/metrics while the server stops: %d, want status %v and %q in it", status, http.StatusOK, "\nscopegate_ready 0\n")
	}
	giveUp()
	if code := s.stop(); code != exitOK {
		t.Errorf("exit code %d, want %v", code, exitOK)
	}
	if strings.Contains(s.stderr.String(), canary) {
		t.Errorf("there is a secret in the log: %s", s.stderr.String())
	}
	if !strings.Contains(s.stderr.String(), "msg=starting version="+thisBuild().version) ||
		!strings.Contains(s.stderr.String(), "settings.shutdown_grace=59s") {
		t.Errorf("the log does not say what starts: %s", s.stderr.String())
	}
}

// By default only this host can reach the ports.
func TestAdminIsLocalByDefault(t *testing.T) {
	t.Parallel()
	if at := netip.MustParseAddrPort(adminDefault); !at.Addr().IsLoopback() {
		t.Errorf("the default is %s, want a loopback address", at)
	}
	own := ownAddress(t)
	_, _, admin := startServe(t, variables(map[string]string{"SCOPEGATE_ADMIN_LISTEN": "127.0.0.1:0"}),
		"--intake-url", "http://127.0.0.1:1/")
	_, port, err := net.SplitHostPort(admin)
	if err != nil {
		t.Fatal(err)
	}
	dialer := net.Dialer{Timeout: time.Second}
	if conn, err := dialer.DialContext(t.Context(), "tcp", net.JoinHostPort(own, port)); err == nil {
		_ = conn.Close()
		t.Errorf("the admin port can be reached at %s", own)
	}
}

// ownAddress returns an address of this host that is not a loopback one.
func ownAddress(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && network.IP.To4() != nil && network.IP.IsGlobalUnicast() {
			return network.IP.String()
		}
	}
	t.Skip("this host has no address but loopback ones")
	return ""
}

// An address that other hosts can reach causes a warning, and shows them little by default.
func TestAdminForOthers(t *testing.T) {
	t.Parallel()
	own := ownAddress(t)
	for _, test := range []struct {
		open string
		want int
	}{{"", http.StatusForbidden}, {"true", http.StatusOK}} {
		getenv := variables(map[string]string{
			"SCOPEGATE_ADMIN_LISTEN": net.JoinHostPort(own, "0"), "SCOPEGATE_ADMIN_OPEN": test.open,
		})
		s, _, admin := startServe(t, getenv, "--intake-url", "http://127.0.0.1:1/")
		if !strings.Contains(s.stderr.String(), `level=WARN msg="other hosts can reach the admin port`) {
			t.Errorf("no warning in %s", s.stderr.String())
		}
		if status, _ := get(t, admin, "/metrics"); status != http.StatusOK {
			t.Errorf("/metrics: %d, want %v", status, http.StatusOK)
		}
		for _, path := range []string{"/", "/debug/pprof/heap"} {
			if status, _ := get(t, admin, path); status != test.want {
				t.Errorf("open %q: %s: %d, want %d", test.open, path, status, test.want)
			}
		}
		s.stop()
	}
}

// An address in use is an error if it was given explicitly, and otherwise a warning.
func TestAdminAddressInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	got := execute(t, "", "serve", "--listen", "127.0.0.1:0", "--admin-listen", address, "--intake-url", "http://127.0.0.1:1/")
	if got.code != exitFailure || !strings.Contains(got.stderr, "admin address") || !strings.Contains(got.stderr, "in use") {
		t.Errorf("%+v, want code %v, %q in it and %q in it", got, exitFailure, "admin address", "in use")
	}
	var log bytes.Buffer
	l, err := listenIfFree(t.Context(), address, slog.New(slog.NewTextHandler(&log, nil)))
	if l != nil || err != nil || !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("%v, %v, want neither, and a warning: %s", l, err, log.String())
	}
	got = execute(t, "", "serve", "--listen", "127.0.0.1:0", "--admin-listen", "6060", "--intake-url", "http://127.0.0.1:1/")
	if got.code != exitUsage {
		t.Errorf("a port alone: %+v, want code %v", got, exitUsage)
	}
}

// A client that is refused again and again can't fill the log.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	const uploads, limit = 200, 5
	s := startCommand(t, noVariables, "serve", "--listen", "127.0.0.1:0", "--intake-url", "http://127.0.0.1:1/",
		"--log-limit", fmt.Sprint(limit))
	c, err := client.Dial(s.address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	began := time.Now()
	for i := range uploads {
		up, err := c.OpenStream(t.Context(), client.Metadata{Service: fmt.Sprint("a\nb", i), Language: "go"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := up.CloseAndReceive(); err == nil {
			t.Fatal("an upload without a scope is accepted")
		}
	}
	took := time.Since(began)
	s.stop()
	log := s.stderr.String()
	lines := strings.Count(log, `msg="upload ended"`)
	if most := limit * (2 + int(took/time.Second)); lines > most {
		t.Errorf("%d lines in %v, limit %d, want at most %v", lines, took, limit, most)
	}
	var left int
	for _, found := range regexp.MustCompile(`of="upload ended" count=(\d+) reason=STREAM_INVALID`).FindAllStringSubmatch(log, -1) {
		var n int
		if _, err := fmt.Sscan(found[1], &n); err != nil {
			t.Fatal(err)
		}
		left += n
	}
	if lines+left != uploads {
		t.Errorf("%d lines and %d left out of %d uploads, want %v:\n%.2000s", lines, left, uploads, uploads, log)
	}
	if strings.Contains(log, "\nb") {
		t.Error("a service's name has begun a line")
	}
}

func TestWantsTraces(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		of   map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{"OTEL_TRACES_EXPORTER": "none"}, false},
		{map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_TRACES_EXPORTER": "none"}, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_SDK_DISABLED": "true"}, false},
	} {
		of := otelVariables{getenv: variables(test.of), discarded: func(string, string) {}}
		if got := of.wantsTraces(); got != test.want {
			t.Errorf("%v: %v, want %v", test.of, got, test.want)
		}
	}
}

// OpenTelemetry's variables make serve export spans, the last ones after the server has
// stopped. The exporter reads the variables of the process.
func TestTracesAreExported(t *testing.T) {
	var mu sync.Mutex
	var exported bytes.Buffer
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.Copy(&exported, io.MultiReader(strings.NewReader(r.URL.Path+"\n"), r.Body))
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_SERVICE_NAME", "gate-of-test")
	s := startCommand(t, variables(map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL}), "serve", "--listen", "127.0.0.1:0", "--intake-url", "http://u:"+canary+"@127.0.0.1:1/?key="+canary, "--batch-deadline", "5s")
	c, err := client.Dial(s.address())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	up, err := c.OpenStream(ctx, client.Metadata{Service: "shop", Language: "go"})
	if err != nil {
		t.Fatal(err)
	}
	_ = up.Send(&symdbv1.Scope{ScopeType: "package"})
	if _, err := up.CloseAndReceive(); err == nil {
		t.Error("accepted by an intake that is not there")
	}
	_ = c.Close()
	if code := s.stop(); code != exitOK {
		t.Errorf("exit code %d, want %v", code, exitOK)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"/v1/traces", "gate-of-test", "UploadScopes", "batch", "attempt", "scopegate.upload_id"} {
		if !bytes.Contains(exported.Bytes(), []byte(want)) {
			t.Errorf("%q is not in what is exported, %d bytes", want, exported.Len())
		}
	}
	if bytes.Contains(exported.Bytes(), []byte(canary)) {
		t.Error("there is a secret in what is exported")
	}
	if !strings.Contains(s.stderr.String(), "trace_id=") {
		t.Errorf("the log names no trace: %s, want %q in it", s.stderr.String(), "trace_id=")
	}
}
