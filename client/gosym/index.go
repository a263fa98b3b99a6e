package gosym

import (
	"cmp"
	"debug/dwarf"
	"go/token"
	"maps"
	"slices"
)

// index tells where in the DWARF the parts of each package lie: functions of a
// package are found in other units too, where they are inlined or instantiated,
// and all types are in one unit.
type index struct {
	units    []unit
	packages []packageIndex
	inlined  map[dwarf.Offset]*inlined
}

// packageIndex is sorted by name throughout.
type packageIndex struct {
	name      string
	functions []functionIndex
	types     []typeIndex
}

// functionIndex is a function or method with all of its instances, of which a
// generic one has several.
type functionIndex struct {
	name      string
	qualified string
	instances []instance
}

// instance refers to the code of a function and to what is known of it apart from
// its code; either may be missing.
type instance struct {
	concrete, abstract   dwarf.Offset
	hasCode, hasAbstract bool
	// wrapper is set for one that only calls a generic function with a dictionary,
	// or has it inlined.
	wrapper bool
	// unit is the index of the unit with the code, lastLine the last line with code of
	// the function itself.
	unit, lastLine int32
	// first is set for a copy of a function literal that is surely the first one in
	// its line, twin for one that may be another.
	first, twin bool
}

// last is the last line with code of a function, its inlined copies included.
func (at *instance) last(copies map[dwarf.Offset]*inlined) int32 {
	last := at.lastLine
	if f := copies[at.abstract]; at.hasAbstract && f != nil && len(f.lines) > 0 {
		last = max(last, f.lines[len(f.lines)-1].last)
	}
	return last
}

// typeIndex is a named type: a struct, or one with methods.
type typeIndex struct {
	qualified string
	// structs are the entries of its instances, none if it is no struct.
	structs []dwarf.Offset
	methods []functionIndex
}

// packageParts gathers a package before it is sorted.
type packageParts struct {
	functions map[string]*functionIndex
	types     map[string]*typeParts
}

type typeParts struct {
	structs []dwarf.Offset
	methods map[string]*functionIndex
}

// index puts what was found in order.
func (s *indexScan) index(keep func(pkg string) bool) *index {
	packages := map[string]*packageParts{}
	part := func(pkg string) *packageParts {
		p := packages[pkg]
		if p == nil {
			p = &packageParts{functions: map[string]*functionIndex{}, types: map[string]*typeParts{}}
			packages[pkg] = p
		}
		return p
	}
	for pkg, types := range s.types {
		if !keep(pkg) {
			continue
		}
		for name, structs := range types {
			if len(structs) > 0 {
				part(pkg).types[name] = &typeParts{structs: structs, methods: map[string]*functionIndex{}}
			}
		}
	}
	literals := s.literals()
	for i := range s.instances {
		at := &s.instances[i]
		qualified, ok := literals[i]
		if !ok {
			qualified = collapse(at.name)
		}
		pkg, rest, ok := splitPackage(qualified)
		if !ok && at.hasCode && token.IsIdentifier(at.name) {
			// A go:linkname directive gave it a name without a package.
			pkg, rest, ok = s.units[at.unit].name, at.name, true
		}
		if ok && keep(pkg) && s.listed(at, pkg, rest) {
			at.wrapper = at.trampoline && qualified != at.name
			part(pkg).add(qualified, rest, at.instance, s.types[pkg])
		}
	}
	ix := &index{units: s.units, inlined: s.functions}
	for _, pkg := range slices.Sorted(maps.Keys(packages)) {
		ix.packages = append(ix.packages, packages[pkg].sorted(pkg))
	}
	return ix
}

// listed reports whether a function shall be listed, by its name without the
// package: somebody wrote it, in Go, in a file that is known.
func (s *indexScan) listed(at *namedInstance, pkg, rest string) bool {
	if at.byCgo || compilerMade(rest, s.types[pkg].has) || !isSource(s.fileOfInstance(at)) {
		return false
	}
	if !at.trampoline {
		return true
	}
	_, _, literal := splitLiteral(rest, func(string) bool { return false })
	return !literal
}

// fileOfInstance is the path of the file in which a function begins, empty where
// nothing tells it: where one that was only inlined has code of several files, or in
// front of its first line, a //line directive is in it.
func (s *indexScan) fileOfInstance(at *namedInstance) string {
	if at.hasCode {
		return at.file
	}
	if f := s.functions[at.abstract]; f != nil && !f.mixed && (len(f.lines) == 0 || f.lines[0].first >= at.line) {
		return f.file
	}
	return ""
}

// add notes an instance of a function, under its receiver if it has one.
func (p *packageParts) add(qualified, rest string, at instance, types packageTypes) {
	functions, name := p.functions, rest
	if receiver, method, ok := splitReceiver(rest, types.has); ok {
		t := p.types[receiver]
		if t == nil {
			t = &typeParts{methods: map[string]*functionIndex{}}
			p.types[receiver] = t
		}
		functions, name = t.methods, method
	}
	f := functions[qualified]
	if f == nil {
		f = &functionIndex{name: name, qualified: qualified}
		functions[qualified] = f
	}
	f.instances = append(f.instances, at)
}

func (p *packageParts) sorted(pkg string) packageIndex {
	out := packageIndex{name: pkg, functions: sortedFunctions(p.functions)}
	for _, name := range slices.Sorted(maps.Keys(p.types)) {
		t := p.types[name]
		slices.Sort(t.structs)
		out.types = append(out.types, typeIndex{
			qualified: pkg + "." + name,
			structs:   t.structs,
			methods:   sortedFunctions(t.methods),
		})
	}
	return out
}

func sortedFunctions(functions map[string]*functionIndex) []functionIndex {
	out := make([]functionIndex, 0, len(functions))
	for _, f := range functions {
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b functionIndex) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.qualified, b.qualified))
	})
	return out
}
