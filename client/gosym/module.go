package gosym

import (
	"debug/buildinfo"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// module is what the build information says of a program.
type module struct {
	path string
	// others are the paths of the modules it depends on.
	others    []string
	version   string
	goVersion string
	service   string
}

// newModule takes what it can from bi, which is nil where there is none.
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

// moduleBase is the last element of a module path that is no major version.
func moduleBase(modulePath string) string {
	dir, base := path.Split(modulePath)
	if n, ok := strings.CutPrefix(base, "v"); ok && dir != "" && n != "" && strings.Trim(n, "0123456789") == "" {
		return path.Base(dir)
	}
	return base
}

// revision is the commit that the program was built from, or empty.
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

// owns reports whether the package of that import path is part of the module: the
// longest module path that it lies in is that of its module.
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

// liesIn reports whether the path of a module allows for a package. The tests of
// the package at its root may be in a package of their own.
func liesIn(pkg, modulePath string) bool {
	rest, ok := strings.CutPrefix(pkg, modulePath)
	return ok && (rest == "" || rest[0] == '/' || rest == "_test")
}
