package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// target is a server that can be loaded.
type target struct {
	name    string
	program string
	args    []string
	// escapes tells that it writes as encoding/json does: <, > and & escaped, a
	// newline at the end.
	escapes bool
}

// process is a server that runs.
type process struct {
	address string
	cmd     *exec.Cmd
	stop    context.CancelFunc
	log     *os.File
}

// stopGrace is how long a server may take to stop before it is killed.
const stopGrace = 5 * time.Second

// start runs a server on a free port and returns when it listens. What it logs
// goes to a file in dir.
func start(ctx context.Context, t target, intakeURL, dir string) (_ *process, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer func() {
		if err != nil {
			stop()
		}
	}()
	log, err := os.Create(filepath.Join(dir, t.name+".log"))
	if err != nil {
		return nil, err
	}
	args := append(append([]string{}, t.args...), "--listen", "127.0.0.1:0", "--intake-url", intakeURL)
	p := &process{cmd: exec.CommandContext(ctx, t.program, args...), stop: stop, log: log} // #nosec G204 -- named by the caller
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopGrace
	p.cmd.Stderr = log
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		return nil, errors.Join(fmt.Errorf("%s does not listen, see %s: %q", t.program, log.Name(), line), p.end())
	}
	p.address = address
	return p, nil
}

// end stops the server and waits for it.
func (p *process) end() error {
	p.stop()
	err := p.cmd.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil // it stopped because it was told to
	}
	return errors.Join(err, p.log.Close())
}

// usage is what a process has used so far.
type usage struct {
	cpu       time.Duration
	peakBytes int64 // of resident memory
}

// clockTick is the unit of CPU time in /proc, which is the same on all
// architectures that Go supports (USER_HZ, proc_pid_stat(5)).
const clockTick = time.Second / 100

// usage reads /proc, so it is for Linux only.
func (p *process) usage() (usage, error) {
	dir := filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return usage{}, fmt.Errorf("read usage: %w", err)
	}
	// utime and stime are fields 14 and 15; the second one, the name in
	// parentheses, may have spaces.
	_, behind, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(behind)
	if len(fields) < 13 {
		return usage{}, fmt.Errorf("read usage: %q", stat)
	}
	var u usage
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return usage{}, fmt.Errorf("read usage: %w", err)
		}
		u.cpu += time.Duration(ticks) * clockTick
	}
	status, err := os.Open(filepath.Join(dir, "status"))
	if err != nil {
		return usage{}, fmt.Errorf("read usage: %w", err)
	}
	defer status.Close()
	if err := u.readStatus(status); err != nil {
		return usage{}, fmt.Errorf("read usage: %w", err)
	}
	return u, nil
}

func (u *usage) readStatus(status io.Reader) error {
	lines := bufio.NewScanner(status)
	for lines.Scan() {
		value, ok := strings.CutPrefix(lines.Text(), "VmHWM:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		u.peakBytes = kib << 10
		return err
	}
	return errors.Join(lines.Err(), errors.New("no VmHWM"))
}
