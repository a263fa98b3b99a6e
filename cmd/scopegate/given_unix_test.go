//go:build unix

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/scopegate/scopegate/integration/logged"
)

// pipe returns a pipe with text in it. With hold, its writer stays open and writes no more.
func pipe(t *testing.T, content string, hold bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	writer, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = writer.Close() })
	if _, err := writer.WriteString(content); err != nil {
		t.Fatal(err)
	}
	if hold {
		return path
	}
	keeper, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keeper.Close() })
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFilesFromPipes reads files that are read once from pipes, as a shell's <(command)
// makes them. Files that are read again can't be pipes.
func TestFilesFromPipes(t *testing.T) {
	t.Parallel()
	stack := newStack(t)
	upload := []string{"upload", "--service", "shop", "--language", "ruby", "-q", "--server", stack.server}
	for name, test := range map[string]struct {
		args []string
		text string
		want string // in the error; empty: it is taken
	}{
		"configuration":     {[]string{"serve", "--check", "--config"}, "max-depth: 5\n", ""},
		"API key":           {[]string{"serve", "--check", "--api-key-file"}, "key\n", ""},
		"token":             {append(upload, file(t, line), "--token-file"), "token\n", ""},
		"tenants":           {[]string{"serve", "--check", "--tenants-file"}, "tenants: [{name: a, certificates: [b]}]", "a pipe, not a regular file"},
		"certificate":       {[]string{"serve", "--check", "--tls-key", file(t, ""), "--tls-cert"}, "x", "a pipe, not a regular file"},
		"intake's CA":       {[]string{"serve", "--check", "--intake-url", "https://h/", "--intake-ca"}, "x", "a pipe, not a regular file"},
		"authorities":       {append(upload, file(t, line), "--ca"), "x", "a pipe, not a regular file"},
		"an empty one":      {[]string{"serve", "--check", "--api-key-file"}, "", "is a pipe without a writer"},
		"an empty settings": {[]string{"serve", "--check", "--config"}, "", "is a pipe without a writer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := execute(t, "", append(test.args, pipe(t, test.text, false))...)
			if (got.code == exitOK) != (test.want == "") || !strings.Contains(got.stderr, test.want) {
				t.Errorf("%+v, want %q", got, test.want)
			}
		})
	}
}

// TestSignalEndsReading interrupts a command that waits for the writer of a pipe.
func TestSignalEndsReading(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"configuration": {"serve", "--config"},
		"API key":       {"serve", "--api-key-file"},
		"token":         {"upload", "--service", "shop", "--language", "ruby", "-q", "--server", "unix:///nowhere/s", file(t, line), "--token-file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			code := make(chan int)
			var stdout, stderr logged.Text
			args := append(args, pipe(t, "x", true))
			go func() { code <- run(ctx, args, strings.NewReader(""), &stdout, &stderr, noVariables) }()
			cancel()
			if got := <-code; got != exitInterrupted {
				t.Errorf("exit code %d, want %v\n%s%s", got, exitInterrupted, stdout.String(), stderr.String())
			}
		})
	}
}

// TestUploadFromPipe uploads scopes from a pipe, as a shell's <(command) makes it.
func TestUploadFromPipe(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	written := make(chan error)
	go func() { written <- os.WriteFile(path, []byte(line), 0) }()
	got := execute(t, "", "upload", "--server", newStack(t).server, "--service", "shop", "--language", "ruby", path)
	if err := <-written; err != nil || got.code != exitOK {
		t.Errorf("got %+v, %v, want code %d", got, err, exitOK)
	}
}

// TestSignalEndsReadingScopes interrupts an upload from a pipe, without and with a writer.
func TestSignalEndsReadingScopes(t *testing.T) {
	t.Parallel()
	absent := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(absent, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{absent, pipe(t, " ", true)} {
		ctx, cancel := context.WithCancel(t.Context())
		code := make(chan int)
		var stdout, stderr logged.Text
		go func() {
			code <- run(ctx, []string{"upload", "--service", "shop", "--language", "ruby", path}, strings.NewReader(""), &stdout, &stderr, noVariables)
		}()
		cancel()
		if got := <-code; got != exitInterrupted || !strings.Contains(stderr.String(), "interrupted") {
			t.Errorf("exit code %d, want %v\n%s%s", got, exitInterrupted, stdout.String(), stderr.String())
		}
	}
	// The first command's goroutine waits for a writer.
	writer, err := os.OpenFile(absent, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Error(err)
	}
}
