package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// cost is the cost of a process: peak memory, in MiB, and processor time.
type cost struct {
	heap, anonymous float64
	cpu             time.Duration
}

const (
	// sampling is how often anonymous memory is read.
	sampling = time.Millisecond
	// settling is how long an idle process gets until its memory is read.
	settling = time.Second
)

// collection is a part of a line of the garbage collector's trace: the heap before and
// after marking, and what lives.
var collection = regexp.MustCompile(` (\d+)->(\d+)->(\d+) MB,`)

// heapIn returns the largest heap in a line of the garbage collector's trace, in MiB. ok is
// false if it is another line.
func heapIn(line string) (heap float64, ok bool) {
	match := collection.FindStringSubmatch(line)
	if match == nil {
		return 0, false
	}
	for _, figure := range match[1:] {
		size, _ := strconv.ParseFloat(figure, 64) // digits
		heap = max(heap, size)
	}
	return heap, true
}

// run runs a command to its end.
func run(ctx context.Context, args []string) (cost, error) {
	var m cost
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // the command is this program's to choose
	cmd.Env = append(os.Environ(), "GODEBUG=gctrace=1", "GOGC=", "GOMEMLIMIT=")
	trace, err := cmd.StderrPipe()
	if err != nil {
		return m, fmt.Errorf("run: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return m, fmt.Errorf("run: %w", err)
	}
	ended, sampled := make(chan struct{}), make(chan float64)
	go func() { sampled <- peakAnonymous(cmd.Process.Pid, ended) }()
	var said []string
	lines := bufio.NewScanner(trace)
	for lines.Scan() {
		heap, ok := heapIn(lines.Text())
		if !ok {
			said = append(said, lines.Text())
		}
		m.heap = max(m.heap, heap)
	}
	close(ended)
	m.anonymous = <-sampled
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
		return m, fmt.Errorf("run: %w: %s", err, strings.Join(said, "; "))
	}
	m.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return m, nil
}

// peakAnonymous reads the anonymous memory of a process until it has ended.
func peakAnonymous(pid int, ended <-chan struct{}) float64 {
	tick := time.NewTicker(sampling)
	defer tick.Stop()
	peak := 0.0
	for {
		select {
		case <-ended:
			return peak
		case <-tick.C:
			peak = max(peak, anonymous(pid))
		}
	}
}

// anonymous returns the anonymous memory of a process in MiB, or 0 if it is unknown.
func anonymous(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kibibytes, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kibibytes / 1024
		}
	}
	return 0
}

// idleAnonymous returns the anonymous memory of a command that waits for its input.
func idleAnonymous(ctx context.Context, command string) (float64, error) {
	cmd := exec.CommandContext(ctx, command, "upload", "--service", "idle", "--language", "go", "-")
	input, err := cmd.StdinPipe()
	if err != nil {
		return 0, fmt.Errorf("run idle command: %w", err)
	}
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("run idle command: %w", err)
	}
	time.Sleep(settling)
	idle := anonymous(cmd.Process.Pid)
	if err := input.Close(); err != nil {
		return 0, fmt.Errorf("end idle command: %w", err)
	}
	_ = cmd.Wait() // it fails: it was given no scopes
	return idle, nil
}
