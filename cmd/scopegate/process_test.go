//go:build unix

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

var buildCommand = sync.OnceValues(func() (path string, err error) {
	dir, err := buildFolder()
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "scopegate")
	build := exec.Command("go", "build", "-ldflags", "-w -X main.version=tested", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is released
	if out, err := build.CombinedOutput(); err != nil {
		return path, fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// command is the path of the command, built once. TestMain removes it.
func command(t *testing.T) string {
	t.Helper()
	path, err := buildCommand()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProcessPrintsVersion(t *testing.T) {
	t.Parallel()
	if out, err := exec.CommandContext(t.Context(), command(t), "--version").Output(); err != nil || string(out) != "tested\n" {
		t.Errorf("version: %s, %v, want %q", out, err, "tested\n")
	}
}

// TestProcessStopsOnSignal: the first signal stops the server in order, for which it waits
// for an upload; the second one stops it at once.
func TestProcessStopsOnSignal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		signal syscall.Signal
		held   bool
		want   syscall.Signal
	}{
		{"first", syscall.SIGTERM, false, 0},
		{"second", syscall.SIGTERM, true, syscall.SIGTERM},
		{"interrupt", syscall.SIGINT, false, 0},
		{"hangup", syscall.SIGHUP, false, 0},
		{"second hangup", syscall.SIGHUP, true, syscall.SIGHUP},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if signal.Ignored(test.signal) {
				t.Skipf("skipped: %v is ignored here, as under nohup", test.signal)
			}
			process, stdout, stderr := startProcess(t, command(t), "serve", "--listen", "127.0.0.1:0", "--intake-url", "http://127.0.0.1:1/")
			stdout.Scan()
			address := strings.TrimPrefix(stdout.Text(), "listening on ")
			if test.held {
				holdUpload(t, address)
			}
			sendSignal(t, process, test.signal)
			waitForLog(t, stderr, "msg=stopping")
			if test.held {
				sendSignal(t, process, test.signal)
			}
			err := process.Wait()
			if status, ok := process.ProcessState.Sys().(syscall.WaitStatus); test.want != 0 {
				if !ok || status.Signal() != test.want {
					t.Errorf("ended with %v, want %v", err, test.want)
				}
			} else if err != nil {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

// TestProcessGarbageTarget: the server sets the garbage collector's target, unless GOGC does.
func TestProcessGarbageTarget(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]string{"GOGC=": strconv.Itoa(gcPercent), "GOGC=70": "70"} {
		process, stdout, stderr := startProcess(t, "env", variable, command(t), "serve", "--listen", "127.0.0.1:0",
			"--admin-listen", "127.0.0.1:0", "--intake-url", "http://127.0.0.1:1/")
		waitForLog(t, stderr, `msg="admin port" address=`)
		_, admin, _ := strings.Cut(stderr.Text(), "address=")
		stdout.Scan() // it serves
		if _, metrics := get(t, admin, "/metrics"); !strings.Contains(metrics, "\ngo_gc_gogc_percent "+want+"\n") {
			t.Errorf("%s: the target is not %s:\n%s", variable, want, metrics)
		}
		sendSignal(t, process, syscall.SIGTERM)
		if err := process.Wait(); err != nil {
			t.Errorf("%s: ended with %v", variable, err)
		}
	}
}

// Under nohup, the end of the terminal's session stops nothing.
func TestProcessUnderNohup(t *testing.T) {
	t.Parallel()
	process, stdout, stderr := startProcess(t, "nohup", command(t), "serve", "--listen", "127.0.0.1:0", "--intake-url", "http://127.0.0.1:1/")
	stdout.Scan()
	address := strings.TrimPrefix(stdout.Text(), "listening on ")
	sendSignal(t, process, syscall.SIGHUP)
	holdUpload(t, address)() // it still accepts uploads
	sendSignal(t, process, syscall.SIGTERM)
	waitForLog(t, stderr, "msg=stopping")
	if err := process.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

// Servers continue if the reader of the log, or of the list of batches, goes away or stops
// reading.
func TestProcessOutlivesItsReaders(t *testing.T) {
	t.Parallel()
	for name, newPipe := range map[string]func(*testing.T) *os.File{"gone": pipeWithoutReader, "stuck": fullPipe} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			intake, listening := startPrinting(t, newPipe(t), "intake", "--listen", "127.0.0.1:0")
			url := agentIntake(strings.TrimPrefix(listening, "listening on "))
			serve, listening := startPrinting(t, newPipe(t), "serve", "--listen", "127.0.0.1:0", "--intake-url", url, "--log-level", "debug")
			address := strings.TrimPrefix(listening, "listening on ")
			for range 2 {
				got := execute(t, line, "upload", "--server", address, "--service", "shop", "--language", "ruby", "-")
				if got.code != exitOK {
					t.Errorf("%+v, want code %v", got, exitOK)
				}
			}
			for _, process := range []*exec.Cmd{serve, intake} {
				sendSignal(t, process, syscall.SIGTERM)
				if err := process.Wait(); err != nil {
					t.Errorf("%v ended with %v", process.Args, err)
				}
			}
		})
	}
}

// An upload succeeds even if nobody reads its progress.
func TestUploadOutlivesItsReaders(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	lines := file(t, line)
	for _, test := range []struct {
		args           []string
		stdout, stderr *os.File
		code           int
	}{
		{nil, nil, pipeWithoutReader(t), exitOK},
		{nil, pipeWithoutReader(t), nil, exitOK},
		{[]string{"--server", "a..example:1", "--plaintext", "--max-attempts", "1"}, nil, fullPipe(t), exitDelivery},
		{[]string{"--json"}, pipeWithoutReader(t), nil, exitFailure}, // the requested output could not be printed
	} {
		args := append([]string{"upload", "--service", "shop", "--language", "ruby", lines}, test.args...)
		if !slices.Contains(args, "--server") {
			args = append(args, "--server", s.server)
		}
		process := exec.CommandContext(t.Context(), command(t), args...)
		if test.stdout != nil {
			process.Stdout = test.stdout
		}
		if test.stderr != nil {
			process.Stderr = test.stderr
		}
		_ = process.Run()
		if got := process.ProcessState.ExitCode(); got != test.code {
			t.Errorf("%v: %v, want %v", args, process.ProcessState, test.code)
		}
	}
	if n := len(s.intake.Uploads()); n != 3 {
		t.Errorf("%d uploads arrived, want 3", n)
	}
}

// startPrinting starts a server that prints to the pipe, and returns its first line.
func startPrinting(t *testing.T, to *os.File, args ...string) (process *exec.Cmd, first string) {
	t.Helper()
	process = exec.CommandContext(t.Context(), command(t), args...)
	process.Env = append(os.Environ(), "SCOPEGATE_ADMIN_LISTEN=none")
	process.Stderr = to
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	scanner.Scan()
	_ = out.Close() // this one has no reader either
	return process, scanner.Text()
}

// pipeWithoutReader returns the write end of a pipe without a reader.
func pipeWithoutReader(t *testing.T) *os.File {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return in
}

// fullPipe returns the write end of a full pipe.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = in.Close(), out.Close() })
	fd := int(in.Fd()) // which makes it blocking
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = syscall.Write(fd, make([]byte, 1<<12))
	}
	if !errors.Is(err, syscall.EAGAIN) {
		t.Fatal(err)
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	return in
}

func startProcess(t *testing.T, path string, args ...string) (process *exec.Cmd, stdout, stderr *bufio.Scanner) {
	t.Helper()
	process = exec.CommandContext(t.Context(), path, args...)
	process.Env = append(os.Environ(), "SCOPEGATE_ADMIN_LISTEN=none")
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	logged, err := process.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	return process, bufio.NewScanner(out), bufio.NewScanner(logged)
}

func sendSignal(t *testing.T, process *exec.Cmd, s syscall.Signal) {
	t.Helper()
	if err := process.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func waitForLog(t *testing.T, stderr *bufio.Scanner, want string) {
	t.Helper()
	for stderr.Scan() {
		if strings.Contains(stderr.Text(), want) {
			return
		}
	}
	t.Fatalf("the log ended without %q", want)
}

// A directory that the process may not write to is an error without listening.
func TestProcessMayNotMakeSocket(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs to become another user")
	}
	folder := filepath.Dir(socketPath(t))
	path := filepath.Join(folder, "scopegate")
	if err := errors.Join(os.Chmod(folder, 0o755), os.Link(command(t), path)); err != nil {
		t.Fatal(err)
	}
	var output [2]string
	for i, args := range [][]string{{"serve", "--check"}, {"serve"}} {
		process := exec.CommandContext(t.Context(), path, append(args, "--log-level", "error", "--listen", "unix://"+folder+"/s")...)
		process.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		var stderr strings.Builder
		process.Stderr = &stderr
		_ = process.Run()
		output[i] = stderr.String()
		if process.ProcessState.ExitCode() != exitUsage || !strings.Contains(output[i], "write to "+folder+": permission denied") {
			t.Errorf("%v: %v, %s, want ExitCode %v and %q in it", args, process.ProcessState, output[i], exitUsage, "write to "+folder+": permission denied")
		}
	}
	if output[0] != output[1] {
		t.Errorf("--check says %s, want %v\nserve says %s", output[0], output[1], output[1])
	}
}
