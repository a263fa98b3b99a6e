//go:build unix

package main

import (
	"os"
	"syscall"
)

// Bits of access(2).
const (
	mayWrite  = 2
	maySearch = 1
)

// checkWritable fails where the process may not make files in the folder.
func checkWritable(folder string) error {
	if err := syscall.Access(folder, mayWrite|maySearch); err != nil {
		return &os.PathError{Op: "write to", Path: folder, Err: err}
	}
	return nil
}
