package oracle

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// A Build describes how a binary was built, so that the same files are read.
type Build struct {
	// Dir is the directory in which the go command runs, in the main module.
	Dir string
	// Package is the main package, as an argument of the go command.
	Package string
	// Flags are build flags that select files or rewrite their names: -race, -tags, -trimpath.
	Flags []string
	// Env is added to the environment.
	Env []string
	// MainVersion is the main module's version, if it was installed by version.
	MainVersion string
	// Module restricts reading to the packages of a module: of others only the
	// export data is read. If it is empty, all packages are read.
	Module string
}

// reads reports whether the functions of a package are read.
func (b *Build) reads(importPath string) bool {
	return b.Module == "" || importPath == b.Module || strings.HasPrefix(importPath, b.Module+"/")
}

// BuildOf reads from a binary how it was built. Packages without a module, or in a
// module without a version, are looked up from root.
func BuildOf(path, root string) (*Build, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read build information: %w", err)
	}
	b := &Build{Dir: root, Package: info.Path}
	for _, s := range info.Settings {
		switch s.Key {
		case "-race", "-trimpath", "-tags":
			b.Flags = append(b.Flags, s.Key+"="+s.Value)
		case "CGO_ENABLED", "GOOS", "GOARCH", "GOAMD64", "GOARM64", "GOEXPERIMENT":
			b.Env = append(b.Env, s.Key+"="+s.Value)
		}
	}
	if info.Main.Sum == "" {
		return b, nil
	}
	b.MainVersion = info.Main.Version
	out, err := b.goCommand("mod", "download", "-json", info.Main.Path+"@"+info.Main.Version)
	if err != nil {
		return nil, err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return nil, fmt.Errorf("go mod download: %w", err)
	}
	b.Dir = module.Dir
	return b, nil
}

// goCommand runs the go command with the settings of the build.
func (b *Build) goCommand(args ...string) ([]byte, error) {
	//nolint:gosec // the arguments come from the tests, and from binaries that they have built
	cmd := exec.CommandContext(context.Background(), "go", args...)
	cmd.Dir = b.Dir
	cmd.Env = append(append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local"), b.Env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, stderr.Bytes())
	}
	return out, nil
}
