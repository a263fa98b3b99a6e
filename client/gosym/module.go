package gosym

import (
	"debug/buildinfo"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// module is the build information of a program.
type module struct {
	path string
	// others are the paths of the modules it depends on.
	others    []string
	version   string
	goVersion string
	service   string
}

// newModule returns the module of a file with build information bi, which may be nil.
func newModule(file string, bi *buildinfo.BuildInfo) module {
	m := module{service: strings.TrimSuffix(filepath.Base(file), ".exe")}
	if bi == nil {
		return m
	}
	m.goVersion = bi.GoVersion
	for _, dep := range bi.Deps {
		m.others = append(m.others, dep.Path)
	}
	m.path = bi.Main.Path
	if m.path == "" {
		m.path = bi.Path
	}
	if m.path != "" && m.path != "command-line-arguments" {
		m.service = moduleBase(m.path)
	}
	m.version = bi.Main.Version
	if m.version == "" || m.version == "(devel)" {
		m.version = revision(bi)
	}
	return m
}

// moduleBase returns the last element of a module path that is not a major version.
func moduleBase(modulePath string) string {
	dir, base := path.Split(modulePath)
	if n, ok := strings.CutPrefix(base, "v"); ok && dir != "" && n != "" && strings.Trim(n, "0123456789") == "" {
		return path.Base(dir)
	}
	return base
}

// revision returns the commit that the program was built from, or "".
func revision(bi *buildinfo.BuildInfo) string {
	var commit, dirty string
	for _, s := range bi.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+dirty"
			}
		}
	}
	if commit == "" {
		return ""
	}
	return commit + dirty
}

// owns reports whether the package with that import path is part of the module. A
// package belongs to the module with the longest matching path.
func (m module) owns(pkg string) bool {
	if pkg == "main" {
		return true
	}
	if m.path == "" || !liesIn(pkg, m.path) {
		return false
	}
	return !slices.ContainsFunc(m.others, func(other string) bool {
		return len(other) > len(m.path) && liesIn(pkg, other)
	})
}

// liesIn reports whether a package's path begins with the path of a module. External
// tests of the package at its root count.
func liesIn(pkg, modulePath string) bool {
	rest, ok := strings.CutPrefix(pkg, modulePath)
	return ok && (rest == "" || rest[0] == '/' || rest == "_test")
}
