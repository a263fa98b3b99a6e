//go:build unix

package integration_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/integration/wait"
)

// TestTerminateWithStuckLog has nobody read the server's log, which is a full pipe:
// the process ends by a signal nevertheless.
func TestTerminateWithStuckLog(t *testing.T) {
	t.Parallel()
	path, err := testbed.Binary()
	if err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "log")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(fifo, os.O_RDWR, 0) // so that it has a reader, which does not read
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	process := exec.CommandContext(t.Context(), path, "serve", "--listen", "127.0.0.1:0",
		"--intake-url", "http://127.0.0.1:1/", "--shutdown-grace", "10ms", "--admin-listen", "none")
	process.Stderr = log
	stdout, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil { // it listens
		t.Fatal(err)
	}
	fillPipe(t, fifo)
	if err := process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	var status *exec.ExitError
	if err := wait.Receive(t, ended, "the process to end"); err != nil && !errors.As(err, &status) {
		t.Error(err)
	}
}

// fillPipe writes to a pipe until it takes no more.
func fillPipe(t *testing.T, fifo string) {
	t.Helper()
	fd, err := syscall.Open(fifo, syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = syscall.Write(fd, make([]byte, 1)) // so that no room is left
	}
	if !errors.Is(err, syscall.EAGAIN) {
		t.Fatalf("fill the pipe: %v, want %v", err, syscall.EAGAIN)
	}
	if err := syscall.Close(fd); err != nil {
		t.Fatal(err)
	}
}
