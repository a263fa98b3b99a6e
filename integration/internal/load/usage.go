package load

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is the CPU time and memory of a process so far.
type Usage struct {
	// CPU is user and system time, in steps of 10 ms.
	CPU time.Duration
	// ResidentBytes is its resident memory now, PeakBytes the most it has had.
	ResidentBytes, PeakBytes int64
}

// clockTick is the unit of CPU time in /proc on all architectures that Go supports
// (USER_HZ, proc_pid_stat(5)).
const clockTick = time.Second / 100

// UsageOf returns the usage of a process. It reads /proc, which only Linux has.
func UsageOf(pid int) (Usage, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Usage{}, fmt.Errorf("read usage: %w", err)
	}
	// utime and stime are fields 14 and 15. Field 2, the name in parentheses, may have
	// spaces.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
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
	sizes := map[string]*int64{"VmRSS": &u.ResidentBytes, "VmHWM": &u.PeakBytes}
	lines := bufio.NewScanner(status)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		size, wanted := sizes[name]
		if !wanted {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		*size = kib << 10
		delete(sizes, name)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	for name := range sizes {
		return fmt.Errorf("no %s", name)
	}
	return nil
}
