package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/scopegate/scopegate/server/devintake"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if paths, err := smallBinary(); err == nil {
			_ = os.RemoveAll(filepath.Dir(paths[0]))
		}
		os.Exit(code)
	}))
}

// result is what a command line has printed and returned.
type result struct {
	code           int
	stdout, stderr string
}

func noVariables(string) string { return "" }

// withoutAdmin returns the variables, with no admin port unless they say where:
// commands of other tests, and other programs, may have the usual one.
func withoutAdmin(getenv func(string) string) func(string) string {
	return func(name string) string {
		value := getenv(name)
		if name == "SCOPEGATE_ADMIN_LISTEN" && value == "" {
			return adminNone
		}
		return value
	}
}

func variables(of map[string]string) func(string) string {
	return func(name string) string { return of[name] }
}

func execute(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	return executeWith(t, noVariables, stdin, args...)
}

// executeWith is execute with variables.
func executeWith(t *testing.T, getenv func(string) string, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr lockedBuffer
	code := run(t.Context(), args, strings.NewReader(stdin), &stdout, &stderr, getenv)
	return result{code: code, stdout: stdout.String(), stderr: stderr.String()}
}

// started is a command that runs until it is stopped.
type started struct {
	t      *testing.T
	cancel context.CancelFunc
	lines  *bufio.Scanner
	stderr lockedBuffer
	code   chan int
}

// startCommand runs a command until the test ends; its stdout is read line by line.
func startCommand(t *testing.T, getenv func(string) string, args ...string) *started {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	s := &started{t: t, cancel: cancel, lines: bufio.NewScanner(out), code: make(chan int, 1)}
	go func() {
		code := run(ctx, args, strings.NewReader(""), in, &s.stderr, withoutAdmin(getenv))
		_ = in.Close()
		s.code <- code
	}()
	t.Cleanup(func() {
		cancel()
		_, _ = io.Copy(io.Discard, out)
	})
	return s
}

// address reads the line that says where the command listens.
func (s *started) address() string {
	s.t.Helper()
	line := s.line()
	address, ok := strings.CutPrefix(line, "listening on ")
	if !ok {
		s.t.Fatalf("printed %q, and %s", line, s.stderr.String())
	}
	return address
}

func (s *started) line() string {
	s.lines.Scan()
	return s.lines.Text()
}

// stop asks the command to stop, and returns its exit code.
func (s *started) stop() int {
	s.cancel()
	for s.lines.Scan() {
	}
	return <-s.code
}

type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

const line = `{"scope_type":"FILE","name":"shop.rb","start_line":0,"end_line":2147483647}` + "\n"

// smallBinary is a Go binary with DWARF, and one that is stripped of it.
var smallBinary = sync.OnceValues(func() (paths [2]string, err error) {
	dir, err := os.MkdirTemp("", "scopegate")
	if err != nil {
		return paths, err
	}
	source := "package main\n\ntype cart struct{ total int }\n\nfunc main() { println(cart{1}.total) }\n"
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600); err != nil {
		return paths, err
	}
	for i, flags := range []string{"", "-w -s"} {
		paths[i] = filepath.Join(dir, fmt.Sprintf("small%d", i))
		build := exec.Command("go", "build", "-trimpath", "-ldflags", flags, "-o", paths[i], filepath.Join(dir, "main.go"))
		if out, err := build.CombinedOutput(); err != nil {
			return paths, fmt.Errorf("%w: %s", err, out)
		}
	}
	return paths, nil
})

func binaries(t *testing.T) (withDWARF, stripped string) {
	t.Helper()
	paths, err := smallBinary()
	if err != nil {
		t.Fatal(err)
	}
	return paths[0], paths[1]
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"upload", "--help"}, {"intake", "--help"}, {"demo", "-h"}} {
		got := execute(t, "", args...)
		if got.code != exitOK || !strings.HasPrefix(got.stdout, "Usage: scopegate") || got.stderr != "" {
			t.Errorf("%v: %+v", args, got)
		}
	}
	got := execute(t, "", "serve", "--help")
	for _, want := range []string{"[default: 2MiB]", "SCOPEGATE_LISTEN", "DD_TRACE_AGENT_URL", "--api-key-file"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("the help of serve lacks %q", want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	withDWARF, stripped := binaries(t)
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	nobody := "unix://" + socketPath(t)
	ndjson := []string{"--server", nobody, "--service", "shop", "--language", "ruby"}
	with := func(first string, rest []string, more ...string) []string {
		return append(append([]string{first}, rest...), more...)
	}
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no command":       {nil, exitUsage, "expected one of"},
		"unknown command":  {[]string{"sever"}, exitUsage, "unexpected argument"},
		"unknown flag":     {[]string{"serve", "--colour"}, exitUsage, "unknown flag --colour"},
		"not a size":       {[]string{"serve", "--flush-threshold", "much"}, exitUsage, "not a number of bytes"},
		"bad level":        {[]string{"serve", "--compression-level", "12", "--intake-url", "http://x/"}, exitUsage, "compression level 12"},
		"bad URL":          {[]string{"serve", "--intake-url", "unix:///run/x"}, exitUsage, "parse intake URL"},
		"bad address":      {[]string{"serve", "--listen", "nowhere", "--intake-url", "http://x/"}, exitUsage, "neither host:port"},
		"no key file":      {[]string{"serve", "--api-key-file", filepath.Join(dir, "none")}, exitUsage, "no such file"},
		"empty key file":   {[]string{"serve", "--api-key-file", file("empty", " \n")}, exitUsage, "no key in it"},
		"no path":          {[]string{"upload"}, exitUsage, `expected "<path>"`},
		"contradiction":    {[]string{"upload", "x", "--all-packages", "--main-module"}, exitUsage, "can't be used together"},
		"no file":          {with("upload", ndjson, filepath.Join(dir, "none")), exitInput, "no such file"},
		"a folder":         {with("upload", ndjson, dir), exitInput, "is a directory"},
		"empty file":       {with("upload", ndjson, file("blank", "\n \n")), exitInput, "no scope in it"},
		"other file":       {with("upload", ndjson, file("text", "hello")), exitInput, "neither an executable"},
		"damaged binary":   {with("upload", ndjson, file("elf", "\x7fELF...")), exitInput, "read ELF"},
		"stripped binary":  {with("upload", ndjson, stripped), exitInput, "no DWARF"},
		"malformed NDJSON": {with("upload", ndjson, file("lines", line+"{}\n")), exitInput, "line 2: the key scope_type"},
		"no service":       {[]string{"upload", "--language", "ruby", file("good", line)}, exitUsage, "--service is missing"},
		"no language":      {[]string{"upload", "--service", "shop", file("good2", line)}, exitUsage, "--language is missing"},
		"no server":        {with("upload", ndjson, "--max-attempts", "1", withDWARF), exitDelivery, "may succeed later"},
		"stripped demo":    {[]string{"demo", stripped}, exitInput, "no DWARF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "malformed NDJSON" {
				test.args = append(test.args, "--server", newStack(t).server)
			}
			got := execute(t, "", test.args...)
			if got.code != test.code || !strings.Contains(got.stderr, test.want) {
				t.Errorf("got %+v\nwant code %d, %q", got, test.code, test.want)
			}
		})
	}
}

// stack is a server and the development intake behind it.
type stack struct {
	server string
	intake *devintake.Intake
}

func newStack(t *testing.T) stack {
	t.Helper()
	in, err := devintake.New(devintake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return stack{server: serveTo(t, in), intake: in}
}

func serveTo(t *testing.T, intake http.Handler) string {
	t.Helper()
	web := httptest.NewServer(intake)
	t.Cleanup(web.Close)
	command := startCommand(t, noVariables, "serve", "--listen", "127.0.0.1:0", "--intake-url", web.URL+agentPath,
		"--batch-deadline", "500ms")
	t.Cleanup(func() {
		if code := command.stop(); code != exitOK {
			t.Errorf("serve: exit code %d, %s", code, command.stderr.String())
		}
	})
	return command.address()
}

func TestUploadOfLines(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	path := filepath.Join(t.TempDir(), "scopes.ndjson")
	if err := os.WriteFile(path, []byte(line+line), 0o600); err != nil {
		t.Fatal(err)
	}
	const id = "0e0a1c5e-6c36-4a52-8f0a-3f8b4f2f1c11"
	args := []string{
		"upload", "--server", s.server, "--service", "shop", "--env", "test", "--service-version", "1.2",
		"--language", "ruby", "--runtime-id", "run", "--upload-id", id, path,
	}
	got := execute(t, "", args...)
	if got.code != exitOK || !strings.Contains(got.stdout, "uploaded shop 1.2: 2 scopes in 1 batch") || got.stderr != "" {
		t.Fatalf("%+v", got)
	}
	upload, ok := s.intake.Upload(id)
	if !ok || !upload.Complete || upload.ScopeCount != 2 || upload.Service != "shop" || upload.Env != "test" ||
		upload.Version != "1.2" || upload.Language != "ruby" || upload.RuntimeID != "run" {
		t.Errorf("the intake has %+v", upload)
	}
}

func TestUploadFromStdinAsJSON(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	got := execute(t, line, "upload", "--server", s.server, "--service", "shop", "--language", "ruby", "--json", "-")
	var report map[string]any
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || got.code != exitOK {
		t.Fatalf("%+v, %v", got, err)
	}
	if report["scope_count"] != 1.0 || report["batch_count"] != 1.0 || report["upload_id"] == "" || report["error"] != nil {
		t.Errorf("%v", report)
	}
	if got := execute(t, "MZ", "upload", "--server", s.server, "-"); got.code != exitInput || !strings.Contains(got.stderr, "give its path") {
		t.Errorf("a binary on stdin: %+v", got)
	}
}

func TestUploadOfBinaryToSocket(t *testing.T) {
	t.Parallel()
	withDWARF, _ := binaries(t)
	in, err := devintake.New(devintake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(in)
	defer web.Close()
	variables := map[string]string{
		"SCOPEGATE_LISTEN": "127.0.0.1:0,unix://" + socketPath(t), "SCOPEGATE_FLUSH_THRESHOLD": "0",
		"DD_TRACE_AGENT_URL": web.URL, "SCOPEGATE_LOG_FORMAT": "json",
	}
	serve := startCommand(t, func(name string) string { return variables[name] }, "serve")
	serve.address()
	address := serve.address()
	got := execute(t, "", "upload", "--server", address, "--main-module", withDWARF)
	if got.code != exitOK || !strings.Contains(got.stdout, "1 scope in 1 batch") {
		t.Errorf("%+v", got)
	}
	if code := serve.stop(); code != exitOK {
		t.Errorf("serve: exit code %d", code)
	}
	if log := serve.stderr.String(); !strings.Contains(log, `"chosen_by":"DD_TRACE_AGENT_URL"`) {
		t.Errorf("the log does not say which intake was taken and why: %s", log)
	}
}

func TestUploadReportsTheServersRefusal(t *testing.T) {
	t.Parallel()
	refused := serveTo(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "quota", http.StatusServiceUnavailable)
	}))
	accepted := newStack(t)
	for name, test := range map[string]struct {
		args []string
		code int
		want []string
	}{
		"metadata": {
			[]string{"--server", accepted.server, "--upload-id", "7"},
			exitInput,
			[]string{`"grpc_code":"InvalidArgument"`, `"path":"metadata.upload_id"`, `"retryable":false`},
		},
		"intake": {
			[]string{"--server", refused},
			exitDelivery,
			[]string{`"intake_http_status":503`, `"retryable":true`, `"exit_code":4`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"upload", "--service", "shop", "--language", "ruby", "--json", "-"}, test.args...)
			got := execute(t, line, args...)
			if got.code != test.code {
				t.Errorf("%+v", got)
			}
			for _, want := range test.want {
				if !strings.Contains(got.stdout, want) {
					t.Errorf("no %s in %s", want, got.stdout)
				}
			}
		})
	}
}

func TestUploadIsInterrupted(t *testing.T) {
	t.Parallel()
	stuck, unstick := io.Pipe()
	defer unstick.Close()
	ctx, cancel := context.WithCancel(t.Context())
	s := newStack(t)
	code := make(chan int)
	go func() {
		args := []string{"upload", "--server", s.server, "--service", "shop", "--language", "ruby", "-"}
		code <- run(ctx, args, stuck, io.Discard, io.Discard, noVariables)
	}()
	if _, err := io.WriteString(unstick, line); err != nil {
		t.Fatal(err)
	}
	cancel()
	if got := <-code; got != exitInterrupted {
		t.Errorf("exit code %d", got)
	}
	for _, upload := range s.intake.Uploads() {
		t.Errorf("the intake has %+v", upload)
	}
}

func TestUploadTimesOut(t *testing.T) {
	t.Parallel()
	stuck, unstick := io.Pipe()
	defer unstick.Close()
	var stderr bytes.Buffer
	args := []string{"upload", "--service", "shop", "--language", "ruby", "--timeout", "1ms", "-"}
	if code := run(t.Context(), args, stuck, io.Discard, &stderr, noVariables); code != exitDelivery {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
}

func TestIntake(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	intake := startCommand(t, noVariables, "intake", "--listen", "127.0.0.1:0", "--dir", dir)
	address := intake.address()
	serve := startCommand(t, noVariables, "serve", "--listen", "127.0.0.1:0", "--intake-url", agentIntake(address))
	printed := make(chan string, 1)
	go func() { printed <- intake.line() }()
	got := execute(t, line, "upload", "--server", serve.address(), "--service", "shop", "--language", "ruby", "-")
	if got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	if line := <-printed; !strings.HasPrefix(line, "batch 1 of ") || !strings.HasSuffix(line, ", final") {
		t.Errorf("printed %q", line)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/uploads", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var listing devintake.Listing
	if err := json.NewDecoder(answer.Body).Decode(&listing); err != nil || len(listing.Uploads) != 1 {
		t.Errorf("GET /uploads: %+v, %v", listing, err)
	}
	if serve.stop() != exitOK || intake.stop() != exitOK {
		t.Error("not stopped in order")
	}
	if found, err := filepath.Glob(filepath.Join(dir, "*", "1.json.gz")); err != nil || len(found) != 1 {
		t.Errorf("stored %v, %v", found, err)
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	withDWARF, _ := binaries(t)
	got := execute(t, "", "demo", "--main-module", "--flush-threshold", "0", withDWARF)
	if got.code != exitOK || !strings.Contains(got.stdout, "ok: each scope arrived") || got.stderr != "" {
		t.Errorf("%+v", got)
	}
}

func TestServeFailsOnAddressInUse(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	got := execute(t, "", "serve", "--listen", s.server, "--intake-url", "http://127.0.0.1:1/")
	if got.code != exitFailure || !strings.Contains(got.stderr, "in use") {
		t.Errorf("%+v", got)
	}
}
