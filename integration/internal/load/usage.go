package load

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process has used so far.
type Usage struct {
	// CPU is user and system time, in steps of 10 ms.
	CPU time.Duration
	// PeakBytes is the most resident memory it ever had.
	PeakBytes int64
}

// clockTick is the unit of CPU time in /proc, which is the same on all
// architectures that Go supports (USER_HZ, proc_pid_stat(5)).
const clockTick = time.Second / 100

// UsageOf reads from /proc, which only Linux has, what the process has used so far.
func UsageOf(pid int) (Usage, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Usage{}, fmt.Errorf("read usage: %w", err)
	}
	// utime and stime are fields 14 and 15; the second one, the name in
	// parentheses, may have spaces.
	_, behind, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(behind)
	if len(fields) < 13 {
		return Usage{}, fmt.Errorf("read usage: %q", stat)
	}
	var u Usage
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return Usage{}, fmt.Errorf("read usage: %w", err)
		}
		u.CPU += time.Duration(ticks) * clockTick
	}
	status, err := os.Open(filepath.Join(dir, "status"))
	if err != nil {
		return Usage{}, fmt.Errorf("read usage: %w", err)
	}
	defer status.Close()
	if err := u.readStatus(status); err != nil {
		return Usage{}, fmt.Errorf("read usage: %w", err)
	}
	return u, nil
}

func (u *Usage) readStatus(status io.Reader) error {
	lines := bufio.NewScanner(status)
	for lines.Scan() {
		value, ok := strings.CutPrefix(lines.Text(), "VmHWM:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		u.PeakBytes = kib << 10
		return err
	}
	return errors.Join(lines.Err(), errors.New("no VmHWM"))
}
