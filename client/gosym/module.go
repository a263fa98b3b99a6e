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
	// mainPath is the import path of package main, or "".
	mainPath string
	// others are the paths of the modules it depends on.
	others    []string
	version   string
	goVersion string
	service   string
	tags      []string
}

// commandLine stands for the import path of a package that was given as files.
const commandLine = "command-line-arguments"

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
	if m.path != "" && m.path != commandLine {
		m.service = path.Base(withoutMajorVersion(m.path))
	}
	if bi.Path != commandLine {
		m.mainPath = bi.Path
	}
	m.version = bi.Main.Version
	if m.version == "" || m.version == "(devel)" {
		m.version = revision(bi)
	}
	m.tags = gitTags(bi)
	return m
}

// withoutMajorVersion returns a module path without a major version as its last element.
func withoutMajorVersion(modulePath string) string {
	dir, base := path.Split(modulePath)
	if n, ok := strings.CutPrefix(base, "v"); ok && dir != "" && n != "" && strings.Trim(n, "0123456789") == "" {
		return strings.TrimSuffix(dir, "/")
	}
	return modulePath
}

// revision returns the commit that the program was built from, or "".
func revision(bi *buildinfo.BuildInfo) string {
	commit := setting(bi, "vcs.revision")
	if commit != "" && setting(bi, "vcs.modified") == "true" {
		commit += "+dirty"
	}
	return commit
}

// setting returns a setting of the build, or "".
func setting(bi *buildinfo.BuildInfo, key string) string {
	for _, s := range bi.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// owns reports whether the package with that import path is part of the module. A
// package belongs to the module with the longest matching path.
func (m *module) owns(pkg string) bool {
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

// organizationOwns reports whether the package with that import path is part of a module
// of the main module's organization.
func (m *module) organizationOwns(pkg string) bool {
	organization := m.organization()
	return organization != "" && strings.HasPrefix(pkg, organization+"/") || m.owns(pkg)
}

// organization returns the first two elements of the module's path if these are a host
// and an owner of repositories: example.com/shop in example.com/shop/cart. Otherwise it
// returns "".
func (m *module) organization() string {
	elements := strings.Split(withoutMajorVersion(m.path), "/")
	if len(elements) < 3 || !strings.Contains(elements[0], ".") {
		return ""
	}
	return elements[0] + "/" + elements[1]
}

// isStandard reports whether the package with that import path is part of the standard
// library: its first element has no dot, and it is in no module of the program.
func (m *module) isStandard(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	if first == "main" || first == "cmd" || strings.Contains(first, ".") || m.path != "" && liesIn(pkg, m.path) {
		return false
	}
	return !slices.ContainsFunc(m.others, func(other string) bool { return liesIn(pkg, other) })
}

// liesIn reports whether a package's path begins with the path of a module. External
// tests of the package at its root count.
func liesIn(pkg, modulePath string) bool {
	rest, ok := strings.CutPrefix(pkg, modulePath)
	return ok && (rest == "" || rest[0] == '/' || rest == "_test")
}
