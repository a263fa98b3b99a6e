package interop_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scopegate/scopegate/integration/internal/testbed"
)

const (
	// heldScopes and heldScopeBytes make an input that is far larger than what a
	// producer may hold.
	heldScopes, heldScopeBytes = 1_500, 20_000
	// holdTime is how long the intake is stuck.
	holdTime = 3 * time.Second
	// settleTime is how long a producer takes nothing more when it has filled what
	// lies between it and the server: windows, socket buffers.
	settleTime = time.Second
	// settledLooks is how often: a busy machine may keep it from running for a second.
	settledLooks = 2
	// maxTakenBytes is how much a producer may have taken of its input by then: what
	// lies between it and the server, and what the server holds.
	maxTakenBytes = 12 << 20
	// maxGrowthBytes is how much a producer may grow while it is held back. What it
	// has still to send is about 20 MB.
	maxGrowthBytes = 8 << 20
)

// isHeldBack has the intake stuck for a while: the producer stands still and does
// not grow. Then all arrives.
func isHeldBack(t *testing.T, p *producer) {
	t.Helper()
	gate := testbed.NewGate()
	bed := newBed(t, gate.Fault, "--flush-threshold-raw", "256KiB")
	path := writeReplay(t, 0, paddedLines(heldScopes)...)
	r := p.start(t, bed.server.Address, "--replay", path)
	await(t, r, gate.Entered, "its first batch")
	settle(t, r, p.sentPath)
	before := usageOf(t, r)
	pause(t, r, holdTime)
	after, written := usageOf(t, r), sizeOf(t, p.sentPath)
	gate.Open()
	result := r.mustSucceed(t)
	if written > maxTakenBytes {
		t.Errorf("it took %d bytes of scopes while the server read nothing, of %d", written, heldScopes*heldScopeBytes)
	}
	if busy := after.cpu - before.cpu; busy > holdTime/4 {
		t.Errorf("it used %v of CPU in %v in which the server read nothing", busy, holdTime)
	}
	if growth := after.residentBytes - before.residentBytes; growth > maxGrowthBytes {
		t.Errorf("it grew by %d bytes to %d while the server read nothing", growth, after.residentBytes)
	}
	p.row.heldBytes = after.residentBytes
	p.row.growthBytes = after.residentBytes - before.residentBytes
	if sent := len(readLines(t, p.sentPath)); sent != heldScopes || result.Scopes != heldScopes {
		t.Errorf("%d scopes were written down, %d told of, want %d", sent, result.Scopes, heldScopes)
	}
	requireEqual(t, bed.arrived(t, result.UploadID), readLines(t, path))
}

// paddedLines are scopes of heldScopeBytes, which cost little to read.
func paddedLines(count int) []string {
	padding := strings.Repeat("x", heldScopeBytes)
	lines := make([]string, count)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"scope_type":"MODULE","name":"module%d","source_file":"%s","start_line":0,"end_line":0}`, i, padding)
	}
	return lines
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	file, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return file.Size()
}

// settle waits until a file does not grow any more.
func settle(t *testing.T, r *run, path string) {
	t.Helper()
	size := int64(-1)
	for unchanged := 0; unchanged < settledLooks; unchanged++ {
		if now := sizeOf(t, path); now != size {
			size, unchanged = now, -1
		}
		pause(t, r, settleTime)
	}
}

// pause waits; what is looked at is that nothing happens meanwhile.
func pause(t *testing.T, r *run, duration time.Duration) {
	t.Helper()
	select {
	case <-time.After(duration):
	case <-r.ended:
		t.Fatalf("the producer ended while the intake was stuck: %s\n%s", r.output, r.stderr.Bytes())
	}
}

// usage is what a process uses.
type usage struct {
	cpu           time.Duration
	residentBytes int64
}

// clockTick is the unit of CPU time in /proc (USER_HZ, proc_pid_stat(5)).
const clockTick = time.Second / 100

func usageOf(t *testing.T, r *run) usage {
	t.Helper()
	dir := filepath.Join("/proc", strconv.Itoa(r.command.Process.Pid))
	u, err := readUsage(dir)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func readUsage(dir string) (usage, error) {
	var u usage
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return u, err
	}
	// utime and stime are fields 14 and 15; the name, field 2, may have spaces.
	_, behind, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(behind)
	if len(fields) < 13 {
		return u, fmt.Errorf("%s/stat is %q", dir, stat)
	}
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return u, err
		}
		u.cpu += time.Duration(ticks) * clockTick
	}
	text, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return u, err
	}
	_, behind, _ = strings.Cut(string(text), "VmRSS:")
	line, _, _ := strings.Cut(behind, "\n")
	kibibytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(line), " kB"), 10, 64)
	u.residentBytes = kibibytes << 10
	return u, err
}
