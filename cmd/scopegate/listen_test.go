package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "scopegate") //nolint:usetesting // t.TempDir's name can be too long for a socket's address
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func TestListenPortZero(t *testing.T) {
	t.Parallel()
	l, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := addressOf(l); !strings.HasPrefix(got, "127.0.0.1:") || strings.HasSuffix(got, ":0") {
		t.Errorf("address is %s, want a port of 127.0.0.1", got)
	}
}

func TestListenReplacesStaleSocket(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	if err := stale.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := listen(t.Context(), settings.UnixScheme+path)
	if err != nil {
		t.Fatal(err)
	}
	if got := addressOf(l); got != settings.UnixScheme+path {
		t.Errorf("address is %s, want %v", got, settings.UnixScheme+path)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket file is left: %v", err)
	}
}

func TestListenSparesSocketInUse(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	l, err := listen(t.Context(), settings.UnixScheme+path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := listenAll(t.Context(), []string{"127.0.0.1:0", settings.UnixScheme + path}); err == nil ||
		!strings.Contains(err.Error(), "another process is listening there") {
		t.Errorf("got %v, want %q in it", err, "another process is listening there")
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the socket file in use is gone: %v", err)
	}
}

func TestListenSparesOtherFiles(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen(t.Context(), settings.UnixScheme+path); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("got %v, want %q in it", err, "not a socket")
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "precious" {
		t.Errorf("the file is %q, %v, want %q", content, err, "precious")
	}
}

// A service manager restarts the server if waiting may help.
func TestListenExitCodes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		errno syscall.Errno
		code  int
	}{{syscall.EACCES, exitUsage}, {syscall.EADDRNOTAVAIL, exitFailure}, {syscall.EADDRINUSE, exitFailure}} {
		err := explainListen(&net.OpError{Op: "listen", Err: os.NewSyscallError("bind", test.errno)})
		if got := exitCode(t.Context(), err); got != test.code || !errors.Is(err, test.errno) {
			t.Errorf("%v: exit code %d, want %d", err, got, test.code)
		}
	}
}

func TestListenRefusesAddresses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "8080", "unix://relative", "unix:///no/such/folder/s"} {
		if l, err := listen(t.Context(), address); err == nil {
			t.Errorf("%q: listens on %s, want an error", address, addressOf(l))
			_ = l.Close()
		}
	}
}
