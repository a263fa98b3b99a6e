//go:build unix

package main

import (
	"math"
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
