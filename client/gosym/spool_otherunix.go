//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package gosym

import "os"

func createUnnamed(dir string) (*os.File, error) { return createNameless(dir) }
