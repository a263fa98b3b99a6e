//go:build unix

package main

import (
	"math"
	"os"
	"syscall"
)

// maxFiles returns how many files the process may have open.
func maxFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxInt64
	}
	return min(uint64(limit.Cur), math.MaxInt64) //nolint:unconvert // signed on FreeBSD
}

// checkWritable fails if the process may not create files in the directory.
func checkWritable(dir string) error {
	const mayWrite, maySearch = 2, 1 // bits of access(2)
	if err := syscall.Access(dir, mayWrite|maySearch); err != nil {
		return &os.PathError{Op: "write to", Path: dir, Err: err}
	}
	return nil
}
