package spool_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/scopegate/scopegate/integration/tinydisk"
)

// TestDiskFull fills a real file system.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	// Six blocks and a piece of one fit.
	tinydisk.Run(t, 100<<10, fillDisk)
}

func fillDisk(t *testing.T, dir string) {
	t.Helper()
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
				t.Fatalf("put to a full disk: error %v, want %v", err, syscall.ENOSPC)
			}
		}
		for i := range byte(room) {
			wantBlock(t, s, int64(i), i)
		}
		if s.UsedBytes() != room*int64(len(block(0))) {
			t.Errorf("%d bytes are used, want %d", s.UsedBytes(), room*int64(len(block(0))))
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
		t.Errorf("%d blocks of the disk are free, %d were at first, want %v", got, empty, empty)
	}
}
