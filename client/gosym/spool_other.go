//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly

package gosym

import (
	"errors"
	"os"
)

// canMap means that files can be mapped.
const canMap = false

func createUnnamed(string) (*os.File, error) { return nil, errors.ErrUnsupported }

func mapFile(*os.File, int64, int) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmap([]byte) error { return nil }
