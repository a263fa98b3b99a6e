package gosym

import (
	"cmp"
	"os"
	"syscall"
)

// oTmpfile is O_TMPFILE without O_DIRECTORY, which package syscall does not have.
const oTmpfile = 0x400000

// createUnnamed creates a file in dir that never has a name, so that nothing is left of it
// if the process is killed. Some file systems can only remove the name.
func createUnnamed(dir string) (*os.File, error) {
	file, err := os.OpenFile(cmp.Or(dir, os.TempDir()), os.O_RDWR|oTmpfile|syscall.O_DIRECTORY, 0o600)
	if err != nil {
		return createNameless(dir)
	}
	return file, nil
}
