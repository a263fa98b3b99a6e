package oracle

import (
	"iter"
	"maps"
	"regexp"
	"slices"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// all ranges over all functions of the source.
func (s *Source) all() iter.Seq[*function] {
	return func(yield func(*function) bool) {
		for _, f := range s.functions {
			if !yield(f) {
				return
			}
		}
		for _, at := range s.closures {
			for _, f := range at {
				if !yield(f) {
					return
				}
			}
		}
	}
}

// byCompiler matches the names of functions that the compiler makes around calls.
var byCompiler = regexp.MustCompile(`\.(gowrap|deferwrap)\d+$|-fm$`)

// group is functions that the machine code does not distinguish: closures that
// begin on the same line.
type group struct {
	functions []*function
	// lines are the lines of the file with code, false where that is uncertain.
	lines map[int32]bool
	// compiled is set if they have their own code, apart from inlined copies.
	compiled bool
}

// groups joins the machine code with the source.
func groups(source *Source, code *Code) []*group {
	byFunction := map[*function]*group{}
	var out []*group
	add := func(functions []*function, file string, name codeName) {
		g := byFunction[functions[0]]
		if g == nil {
			g = &group{functions: functions, lines: map[int32]bool{}}
			byFunction[functions[0]] = g
			out = append(out, g)
		}
		g.compiled = g.compiled || code.compiled[name]
		for at, sure := range code.functions[name] {
			if at.file == file {
				g.lines[at.line] = g.lines[at.line] || sure
			}
		}
	}
	for name, lines := range code.functions {
		if f := source.functions[name.name]; f != nil {
			add([]*function{f}, f.file, name)
			continue
		}
		for file := range filesOf(lines) {
			closures := source.closures[where{file, name.line}]
			if len(closures) > 0 && !byCompiler.MatchString(name.name) {
				add(closures, file, name)
			}
		}
	}
	return out
}

func filesOf(lines map[where]bool) map[string]bool {
	files := map[string]bool{}
	for at := range lines {
		files[at.file] = true
	}
	return files
}

// lines checks that the injectible lines of each function are those with code.
func (c *checking) lines() {
	withCode := map[*function]bool{}
	for _, g := range c.groups {
		injectible := map[int32]bool{}
		listed := 0
		for _, f := range g.functions {
			withCode[f] = true
			if s := c.listed[f]; s != nil {
				listed++
				c.injectible(f, s, g, injectible)
			}
		}
		if listed == 0 {
			if f := g.functions[0]; f.kind != byCgo {
				reason := HasCode
				switch {
				case f.file == noName:
					reason = "in a file without a name"
				case f.moved && !g.compiled:
					reason = "inlined, with a //line directive in it"
				}
				c.add(Functions, Missing, reason, "%s.%s, %s:%d", f.pkg, f.name, f.file, f.line)
			}
			continue
		}
		f := g.functions[0]
		for _, line := range slices.Sorted(maps.Keys(g.lines)) {
			if g.lines[line] && !injectible[line] && f.body.has(line) {
				c.add(Injectible, Missing, HasCode, "%s.%s, %s:%d", f.pkg, f.name, f.file, line)
			}
		}
	}
	for f := range c.Source.all() {
		if c.listed[f] == nil && !withCode[f] && f.kind != byCgo {
			c.add(Functions, Missing, "no code", "%s.%s, %s:%d", f.pkg, f.name, f.file, f.line)
		}
		if s := c.listed[f]; s != nil && !withCode[f] {
			c.add(Functions, False, "no code", "%s.%s, %s:%d", f.pkg, f.name, f.file, f.line)
		}
	}
}

// isInner reports whether a line is within a literal of the function, except its
// first and last lines.
func (f *function) isInner(line int32) bool {
	return slices.ContainsFunc(f.inner, func(inner *function) bool {
		in := inner.inside
		return inner.file == f.file && in.lines == nil && in.first < line && line < in.last
	})
}

// injectible checks the injectible lines of one function, and records them.
func (c *checking) injectible(f *function, s *symdbv1.Scope, g *group, noted map[int32]bool) {
	if s.GetHasInjectibleLines() != (len(s.GetInjectibleLines()) > 0) {
		c.add(Injectible, False, "has_injectible_lines says otherwise", "%s.%s", f.pkg, f.name)
	}
	last := int32(0)
	for _, r := range s.GetInjectibleLines() {
		if r.GetStart() <= last || r.GetEnd() < r.GetStart() {
			c.add(Injectible, False, "not ascending", "%s.%s: %d to %d", f.pkg, f.name, r.GetStart(), r.GetEnd())
			return
		}
		last = r.GetEnd()
		for line := r.GetStart(); line <= r.GetEnd(); line++ {
			c.checked[Injectible]++
			noted[line] = true
			_, ok := g.lines[line]
			switch {
			case !ok:
				c.add(Injectible, False, "no code", "%s.%s, %s:%d", f.pkg, f.name, f.file, line)
			case f.isInner(line):
				c.add(Injectible, False, "within a literal", "%s.%s, %s:%d", f.pkg, f.name, f.file, line)
			case !f.body.has(line):
				c.add(Injectible, False, "outside of the function", "%s.%s, %s:%d", f.pkg, f.name, f.file, line)
			}
		}
	}
}
