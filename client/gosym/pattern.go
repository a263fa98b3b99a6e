package gosym

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// ErrPattern means that a package pattern is not valid.
var ErrPattern = errors.New("invalid package pattern")

// wildcard stands for any string in a pattern.
const wildcard = "..."

// pattern is a package pattern of the go command, split at its wildcards.
type pattern struct {
	parts []string
	// std means the packages of the standard library.
	std bool
}

// parsePattern parses a pattern. It refuses those that are relative to a directory,
// because a binary has none.
func parsePattern(text string) (pattern, error) {
	switch {
	case text == "std":
		return pattern{std: true}, nil
	case text == "all":
		text = wildcard
	case text == "":
		return pattern{}, fmt.Errorf("%w: empty", ErrPattern)
	case text == ".", text == "..", strings.HasPrefix(text, "./"), strings.HasPrefix(text, "../"),
		text[0] == '/', strings.ContainsAny(text, "\\ @"):
		return pattern{}, fmt.Errorf("%w %q: use an import path, in which ... stands for any string", ErrPattern, text)
	}
	// Like the go command, ignore a slash at the end, which completion may have added.
	return pattern{parts: strings.Split(path.Clean(text), wildcard)}, nil
}

// matches reports whether a package with that import path matches. A wildcard after the
// last slash, as in net/..., also matches the path before it.
func (p pattern) matches(pkg string) bool {
	if p.parts == nil {
		return false
	}
	if last := len(p.parts) - 1; last > 0 && p.parts[last] == "" {
		if before, ok := strings.CutSuffix(p.parts[last-1], "/"); ok && fits(append(slices.Clip(p.parts[:last-1]), before), pkg) {
			return true
		}
	}
	return fits(p.parts, pkg)
}

// fits reports whether pkg consists of the parts with any strings between them.
func fits(parts []string, pkg string) bool {
	last := len(parts) - 1
	if last == 0 {
		return pkg == parts[0]
	}
	rest, ok := strings.CutPrefix(pkg, parts[0])
	for _, part := range parts[1:last] {
		if !ok {
			return false
		}
		_, rest, ok = strings.Cut(rest, part)
	}
	return ok && strings.HasSuffix(rest, parts[last])
}

// selection says which packages to list.
type selection struct {
	mainModule, organization bool
	// mainByDefault means that the main module is selected if nothing else is.
	mainByDefault    bool
	include, exclude []pattern
	// err is the first error in a pattern.
	err error
}

// parse appends the patterns to dst. It keeps the first error.
func (s *selection) parse(dst []pattern, texts []string) []pattern {
	for _, text := range texts {
		p, err := parsePattern(text)
		if err != nil && s.err == nil {
			s.err = err
		}
		dst = append(dst, p)
	}
	return dst
}

// keeps reports whether the package with that import path is selected in a program with
// module m.
func (s *selection) keeps(m *module, pkg string) bool {
	switch {
	case m.matchesAny(s.exclude, pkg):
		return false
	case !s.mainModule && !s.organization && s.include == nil:
		return !s.mainByDefault || m.owns(pkg)
	}
	return s.mainModule && m.owns(pkg) || s.organization && m.organizationOwns(pkg) || m.matchesAny(s.include, pkg)
}

// matchesAny reports whether a package matches one of the patterns. Package main also
// has the import path of its directory, and the external tests of a package belong to
// it.
func (m *module) matchesAny(patterns []pattern, pkg string) bool {
	if patterns == nil {
		return false
	}
	paths := []string{pkg}
	if pkg == "main" && m.mainPath != "" {
		paths = append(paths, m.mainPath)
	}
	if tested, ok := strings.CutSuffix(pkg, "_test"); ok {
		paths = append(paths, tested)
	}
	for _, p := range patterns {
		if p.std && m.isStandard(pkg) || slices.ContainsFunc(paths, p.matches) {
			return true
		}
	}
	return false
}
