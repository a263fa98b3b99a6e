package spool_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// tinyDiskEnv names the directory that a child process mounts its tiny disk on.
const tinyDiskEnv = "SCOPEGATE_TEST_TINY_DISK"

// cantMount is what the child says where it has no disk to fill.
const cantMount = "can't mount a tiny disk"

// TestDiskFull fills a real file system. It is mounted by a child in name spaces
// of its own, which takes no privileges and is gone with the child.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv(tinyDiskEnv); dir != "" {
		fillDisk(t, dir)
		return
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDiskFull$", "-test.v")
	child.Env = append(os.Environ(), tinyDiskEnv+"="+t.TempDir())
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

func fillDisk(t *testing.T, dir string) {
	t.Helper()
	// Six blocks and a piece of one fit.
	if err := syscall.Mount("scopegate", dir, "tmpfs", 0, "size=100k"); err != nil {
		fmt.Println(cantMount, err)
		return
	}
	freeBlocks := func() uint64 {
		var at syscall.Statfs_t
		if err := syscall.Statfs(dir, &at); err != nil {
			t.Fatal(err)
		}
		return at.Bfree
	}
	empty := freeBlocks()
	s := open(t, dir, 100)
	const room = 6
	for i := range byte(room) {
		if id := put(t, s, i); id != int64(i) {
			t.Fatalf("put as %d, want %d", id, i)
		}
	}
	wantFull := func() {
		t.Helper()
		for range 3 {
			if _, err := s.Put(block(9)); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("put to a full disk: error %v", err)
			}
		}
		for i := range byte(room) {
			wantBlock(t, s, int64(i), i)
		}
		if s.UsedBytes() != room*int64(len(block(0))) {
			t.Errorf("%d bytes are used", s.UsedBytes())
		}
	}
	wantFull()
	s.Free(2)
	if id := put(t, s, 2); id != 2 {
		t.Errorf("put as %d, want 2", id)
	}
	wantFull()
	for i := range int64(room) {
		s.Free(i)
	}
	if got := freeBlocks(); got != empty {
		t.Errorf("%d blocks of the disk are free, %d were at first", got, empty)
	}
}
