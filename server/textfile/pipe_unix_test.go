//go:build unix

package textfile_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/scopegate/scopegate/server/textfile"
)

// pipe returns the path of a named pipe.
func pipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// held returns a pipe with its writer.
func held(t *testing.T) (string, *os.File) {
	t.Helper()
	path := pipe(t)
	writer, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = writer.Close() })
	return path, writer
}

// TestReadRefusesWhatIsNoFile gives Read what could keep it for ever.
func TestReadRefusesWhatIsNoFile(t *testing.T) {
	t.Parallel()
	waiting, _ := held(t)
	for path, want := range map[string]string{
		pipe(t): "a pipe, not a regular file", waiting: "a pipe, not a regular file",
		"/dev/zero": "a device, not a regular file", "/dev/null": "a device, not a regular file",
		t.TempDir(): "a directory, not a regular file",
	} {
		if got, err := textfile.Read(path, limit); err == nil || !strings.Contains(err.Error(), want) || got != nil {
			t.Errorf("%s: %q, %v, want %q", path, got, err, want)
		}
	}
}

func TestReadOnceOfPipe(t *testing.T) {
	t.Parallel()
	path, writer := held(t)
	keeper, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // keeps what the writer leaves
	if err != nil {
		t.Fatal(err)
	}
	defer keeper.Close()
	got := make(chan string)
	go func() {
		content, err := textfile.ReadOnce(t.Context(), path, limit)
		if err != nil {
			t.Error(err)
		}
		got <- string(content)
	}()
	for _, text := range []string{textfile.BOM, "content", ", more"} {
		if _, err := writer.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if content := <-got; content != "content, more" {
		t.Errorf("got %q, want %q", content, "content, more")
	}
}

func TestReadOnceDoesNotHang(t *testing.T) {
	t.Parallel()
	if got, err := textfile.ReadOnce(t.Context(), pipe(t), limit); err == nil || !strings.Contains(err.Error(), "without a writer") {
		t.Errorf("a pipe without a writer: %q, %v", got, err)
	}
	path, _ := held(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := textfile.ReadOnce(ctx, path, limit)
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("a pipe whose writer says nothing: %v", err)
	}
	if _, err := textfile.ReadOnce(t.Context(), "/dev/zero", limit); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("a device without an end: %v", err)
	}
	if got, err := textfile.ReadOnce(t.Context(), "/dev/null", limit); err != nil || len(got) != 0 {
		t.Errorf("no file: %q, %v, want 0", got, err)
	}
}
