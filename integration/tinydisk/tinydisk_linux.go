// Package tinydisk gives a test a file system that is soon full: start at [Run]. It
// is there on Linux only, and not for a file system that outlives its test.
package tinydisk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// dirEnv names the directory that a child process mounts its disk on.
const dirEnv = "SCOPEGATE_TEST_TINY_DISK"

// cantMount is what the child says where it has no disk to fill.
const cantMount = "can't mount a tiny disk"

// Run calls fill with the directory of an empty file system of that many bytes, in a
// child process that runs the calling test, which is no subtest, and nothing else.
// The disk is mounted in name spaces of the child's own, which takes no privileges
// and is gone with the child. Where there can be none the test is skipped.
func Run(t *testing.T, sizeBytes int, fill func(t *testing.T, dir string)) {
	t.Helper()
	if dir := os.Getenv(dirEnv); dir != "" {
		if err := syscall.Mount("scopegate", dir, "tmpfs", 0, fmt.Sprintf("size=%d", sizeBytes)); err != nil {
			t.Skip(cantMount, err)
		}
		fill(t, dir)
		return
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v") //nolint:gosec // itself
	child.Env = append(os.Environ(), dirEnv+"="+t.TempDir())
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := child.CombinedOutput()
	switch exit, ran := errors.AsType[*exec.ExitError](err); {
	case err != nil && !ran:
		t.Skipf("no name spaces to mount a tiny disk in: %v", err)
	case strings.Contains(string(out), cantMount):
		t.Skipf("a child %s", out)
	case err != nil:
		t.Errorf("%v:\n%s", exit, out)
	}
}
