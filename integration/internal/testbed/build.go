package testbed

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// build builds a package of a module and returns the program's path. The module's folder is
// relative to the repository's root. The tests may be in another module than either.
func build(program, module, pkg string) (string, error) {
	dir, err := programs()
	if err != nil {
		return "", err
	}
	list := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/scopegate/scopegate") //nolint:noctx // it ends
	root, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	source, path := filepath.Join(string(bytes.TrimSpace(root)), module), filepath.Join(dir, program)
	command := exec.Command("go", "-C", source, "build", "-o", path, pkg) //nolint:gosec,noctx // our own paths; once, and it ends
	// As it is released; and with cgo, more would be compiled again.
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", program, err, output)
	}
	return path, nil
}

var built string // the folder of programs, or ""

// programs returns the folder of built programs, which Forget removes.
var programs = sync.OnceValues(func() (_ string, err error) {
	built, err = os.MkdirTemp("", "scopegate-programs-")
	return built, err
})

// Forget ends the process of the proxies, and removes what was built.
func Forget() {
	endToxiproxy()
	if built != "" {
		_ = os.RemoveAll(built)
	}
}
