//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package gosym

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// canMap means that files can be mapped.
const canMap = true

// createNameless creates a file in dir and removes its name.
func createNameless(dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, "gosym-*")
	if err != nil {
		return nil, fmt.Errorf("create temporary file: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("remove the name of a temporary file: %w", err), file.Close())
	}
	return file, nil
}

// mapFile maps size bytes of a file, read-only, from an offset of whole pages.
func mapFile(file *os.File, offset int64, size int) ([]byte, error) {
	content, err := syscall.Mmap(int(file.Fd()), offset, size, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	return content, nil
}

func unmap(content []byte) error { return os.NewSyscallError("munmap", syscall.Munmap(content)) }
