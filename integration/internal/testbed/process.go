package testbed

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Binary returns the path of the server's binary: SCOPEGATE_BINARY if it is set, to test
// another version, and otherwise one that it builds from cmd/scopegate, once in a process.
var Binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("SCOPEGATE_BINARY"); path != "" {
		return path, nil
	}
	return build("scopegate", ".", "./cmd/scopegate")
})

// Process is a process of `scopegate serve`.
type Process struct {
	// Address is the address that it listens on.
	Address string

	command *exec.Cmd
	stderr  *serverLog
	ended   chan struct{}
	err     error
}

// StartProcess starts a server on the address, 127.0.0.1:0 for any port, with further
// arguments, and returns when it listens. The server is killed when the test ends.
func StartProcess(tb testing.TB, intakeURL, address string, args ...string) *Process {
	tb.Helper()
	p, err := TryStartProcess(tb, intakeURL, address, args...)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// TryStartProcess is StartProcess for any goroutine: it returns an error.
func TryStartProcess(tb testing.TB, intakeURL, address string, args ...string) (*Process, error) {
	tb.Helper()
	path, err := Binary()
	if err != nil {
		return nil, err
	}
	p := &Process{stderr: &serverLog{}, ended: make(chan struct{})}
	arguments := append([]string{"serve", "--listen", address, "--intake-url", intakeURL}, args...)
	p.command = exec.Command(path, arguments...) //nolint:gosec,noctx // our own binary; killed by the cleanup
	p.command.Stderr = p.stderr
	p.command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "SCOPEGATE_ADMIN_LISTEN=none"}
	stdout, err := p.command.StdoutPipe()
	if err == nil {
		err = p.command.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	line, readErr := bufio.NewReader(stdout).ReadString('\n')
	go func() {
		defer close(p.ended)
		p.err = p.command.Wait()
	}()
	tb.Cleanup(func() {
		p.Kill()
		p.stderr.check(tb)
	})
	listening, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		return nil, fmt.Errorf("the server printed %q, %w", line, readErr)
	}
	p.Address = listening
	return p, nil
}

// PID returns the process's id.
func (p *Process) PID() int { return p.command.Process.Pid }

// Kill kills the process like kill -9, and waits for its end.
func (p *Process) Kill() {
	_ = p.command.Process.Kill()
	<-p.ended
}

// Terminate sends SIGTERM and returns how the process ended.
func (p *Process) Terminate() error {
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.ended
	return p.err
}
