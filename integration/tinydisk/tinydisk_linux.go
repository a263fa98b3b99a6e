// Package tinydisk gives a test a small file system of its own. Start at [Run]. It works
// only on Linux.
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

// cantMount is the child's message if it can't mount the file system.
const cantMount = "can't mount a tiny disk"

// Run calls fill with the directory of an empty file system of that many bytes, in a child
// process that runs only the calling test, which can't be a subtest. The file system is
// mounted in namespaces of the child, which needs no privileges and ends with the child.
// If there can be no namespaces, the test is skipped.
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
		t.Skipf("no namespaces to mount a tiny disk in: %v", err)
	case strings.Contains(string(out), cantMount):
		t.Skipf("a child %s", out)
	case err != nil:
		t.Errorf("%v:\n%s", exit, out)
	}
}
