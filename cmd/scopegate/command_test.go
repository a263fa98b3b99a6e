package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/integration/logged"
	"github.com/scopegate/scopegate/server/devintake"
)

const line = `{"scope_type":"FILE","name":"shop.rb","start_line":0,"end_line":2147483647}` + "\n"

// result is the output and exit code of a command line.
type result struct {
	code           int
	stdout, stderr string
}

func noVariables(string) string { return "" }

// withoutAdmin adds a variable that disables the admin port, unless one is set: commands of
// other tests, and other programs, may use the default address.
func withoutAdmin(getenv func(string) string) func(string) string {
	return func(name string) string {
		value := getenv(name)
		if name == "SCOPEGATE_ADMIN_LISTEN" && value == "" {
			return adminNone
		}
		return value
	}
}

// variables returns an environment.
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
	var stdout, stderr logged.Text
	code := run(t.Context(), args, strings.NewReader(stdin), &stdout, &stderr, getenv)
	return result{code: code, stdout: stdout.String(), stderr: stderr.String()}
}

// file writes a file and returns its path.
func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// started is a command that runs until it is stopped.
type started struct {
	t      *testing.T
	cancel context.CancelFunc
	lines  *bufio.Scanner
	stderr logged.Text
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
		"--batch-deadline", "2s")
	t.Cleanup(func() {
		if code := command.stop(); code != exitOK {
			t.Errorf("serve: exit code %d, %s, want %v", code, command.stderr.String(), exitOK)
		}
	})
	return command.address()
}
