package gosym

import (
	"cmp"
	"debug/dwarf"
	"go/token"
	"maps"
	"slices"
	"strings"
)

// index has the offsets in the DWARF of each package's parts. A package's functions
// are also in other units, which inline or instantiate them; all types are in one
// unit.
type index struct {
	units    []unit
	packages []packageIndex
	inlined  map[dwarf.Offset]*inlined
	omitted  Omissions
}

// packageIndex is sorted by name at all levels.
type packageIndex struct {
	name      string
	functions []functionIndex
	types     []typeIndex
}

// functionIndex is a function or method with all its instances. A generic one has
// several.
type functionIndex struct {
	name      string
	qualified string
	instances []instance
}

// instance refers to a function's concrete entry, with its code, and its abstract
// entry. Either may be missing.
type instance struct {
	concrete, abstract   dwarf.Offset
	hasCode, hasAbstract bool
	// wrapper means that it only calls or inlines a generic function with a
	// dictionary.
	wrapper bool
	// unit is the index of the unit with the code, lastLine the last line with code
	// of the function itself.
	unit, lastLine int32
	// first means a copy of the first function literal on its line, twin a copy that
	// may be of another literal on the line.
	first, twin bool
}

// last returns the last line with code of a function or its inlined copies.
func (inst *instance) last(copies map[dwarf.Offset]*inlined) int32 {
	last := inst.lastLine
	if f := copies[inst.abstract]; inst.hasAbstract && f != nil && len(f.lines) > 0 {
		last = max(last, f.lines[len(f.lines)-1].last)
	}
	return last
}

// typeIndex is a named type: a struct, or one with methods.
type typeIndex struct {
	qualified string
	// structs are the entries of its instances, or none if it is not a struct.
	structs []dwarf.Offset
	methods []functionIndex
}

// packageParts is a package before it is sorted.
type packageParts struct {
	functions map[string]*functionIndex
	types     map[string]*typeParts
}

type typeParts struct {
	structs []dwarf.Offset
	methods map[string]*functionIndex
}

// index returns the index of the scanned packages that keep approves.
func (s *indexScan) index(keep func(pkg string) bool) (*index, error) {
	ix := &index{units: s.units, inlined: s.functions}
	keep = ix.counting(keep)
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
	literals, err := s.literals()
	if err != nil {
		return nil, err
	}
	for i := range s.instances {
		if err := s.check.pass(workPerInstance); err != nil {
			return nil, err
		}
		inst := &s.instances[i]
		qualified, ok := literals[i]
		if !ok {
			qualified = collapse(inst.name)
		}
		pkg, rest, ok := splitPackage(qualified)
		if !ok && inst.hasCode && token.IsIdentifier(inst.name) {
			// A go:linkname directive named it without a package.
			pkg, rest, ok = s.units[inst.unit].name, inst.name, true
		}
		switch {
		case qualified == "":
			if pkg, _, ok := splitPackage(collapse(inst.name)); ok && keep(pkg) {
				ix.omitted.Ambiguous++
			}
		case !ok || !keep(pkg):
		case !s.listed(inst, pkg, rest):
			if file := s.fileOfInstance(inst); file == "" || file == unknownFile {
				ix.omitted.NoFile++
			} else {
				ix.omitted.Generated++
			}
		default:
			inst.wrapper = inst.trampoline && qualified != inst.name
			part(pkg).add(qualified, rest, inst.instance, s.types[pkg])
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(packages)) {
		ix.packages = append(ix.packages, packages[pkg].sorted(pkg))
	}
	return ix, nil
}

// counting returns keep with a memory. It counts the packages that keep refuses.
func (ix *index) counting(keep func(pkg string) bool) func(pkg string) bool {
	known := map[string]bool{}
	return func(pkg string) bool {
		kept, ok := known[pkg]
		if !ok {
			kept = keep(pkg)
			known[pkg] = kept
			if !kept {
				ix.omitted.Packages++
			}
		}
		return kept
	}
}

// listed reports whether to list a function: it was written, in Go, in a known file.
// rest is its name without the package.
func (s *indexScan) listed(inst *namedInstance, pkg, rest string) bool {
	if inst.byCgo || compilerMade(rest, s.types[pkg].has) || !isSource(s.fileOfInstance(inst)) {
		return false
	}
	if !inst.trampoline {
		return true
	}
	_, _, literal := splitLiteral(rest, func(string) bool { return false })
	return !literal
}

// fileOfInstance returns the path of the file where a function begins, or "" if it is
// unknown: a function that was only inlined has a //line directive if it has code from
// several files, or before its first line.
func (s *indexScan) fileOfInstance(inst *namedInstance) string {
	if inst.hasCode {
		return inst.file
	}
	if f := s.functions[inst.abstract]; f != nil && !f.mixed && (len(f.lines) == 0 || f.lines[0].first >= inst.line) {
		return f.file
	}
	return ""
}

// add adds an instance of a function, to its receiver if it has one.
func (p *packageParts) add(qualified, rest string, inst instance, types packageTypes) {
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
	f.instances = append(f.instances, inst)
}

func (p *packageParts) sorted(pkg string) packageIndex {
	out := packageIndex{name: strings.Clone(pkg), functions: sortedFunctions(p.functions)}
	for _, name := range slices.Sorted(maps.Keys(p.types)) {
		t := p.types[name]
		slices.Sort(t.structs)
		out.types = append(out.types, typeIndex{
			qualified: out.name + "." + name,
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
