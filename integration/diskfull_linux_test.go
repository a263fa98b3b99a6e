package integration_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/scopegate/scopegate/server"
)

// fullDiskEnv names the directory that a child process mounts its full disk on.
const fullDiskEnv = "SCOPEGATE_TEST_FULL_DISK"

// cantMount is what the child says where it has no disk to fill.
const cantMount = "can't mount a disk to fill"

// TestLittleMemoryAndDiskFull: all uploads complete though the disk of the spool has
// no room. It is mounted by a child in name spaces of its own, which takes no
// privileges and is gone with the child.
func TestLittleMemoryAndDiskFull(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv(fullDiskEnv); dir != "" {
		if err := syscall.Mount("scopegate", dir, "tmpfs", 0, "size=64k"); err != nil {
			fmt.Println(cantMount, err)
			return
		}
		manyUploads(t, count(30, 100), func(cfg *server.Config) { cfg.Limits.SpoolDir = dir })
		return
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLittleMemoryAndDiskFull$", "-test.v") // #nosec G204 -- itself
	child.Env = append(os.Environ(), fullDiskEnv+"="+t.TempDir())
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := child.CombinedOutput()
	switch exit, ran := errors.AsType[*exec.ExitError](err); {
	case err != nil && !ran:
		t.Skipf("no name spaces to mount a disk in: %v", err)
	case strings.Contains(string(out), cantMount):
		t.Skipf("a child %s", out)
	case err != nil:
		t.Errorf("%v:\n%s", exit, out)
	}
}
