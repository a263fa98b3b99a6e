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
	units []unit
	// packages are sorted by name.
	packages []packageEntry
	inlined  *inlinedFunctions
	omitted  Omissions
	scan     *indexScan
	// originals are the names of the originals of copied function literals, by their
	// index in the instances of the scan.
	originals map[int32]string
}

// packageEntry is a package in the index: its functions by their index in the instances
// of the scan.
type packageEntry struct {
	name      string
	instances []int32
}

// packageIndex has the functions and types of a package. It is sorted by name at all
// levels. It is made when the package's scope is built, because it is much larger than a
// packageEntry. Its texts are parts of a section, or shared.
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
	// rows is where the rows of the code are in the unit's line table.
	rows sequencePlace
	// first means a copy of the first function literal on its line, twin a copy that
	// may be of another literal on the line.
	first, twin bool
}

// last returns the last line with code of a function or its inlined copies.
func (inst *instance) last(copies *inlinedFunctions) int32 {
	last := inst.lastLine
	if !inst.hasAbstract {
		return last
	}
	if _, end, ok := copies.ends(copies.find(inst.abstract)); ok {
		last = max(last, end)
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

// index returns the index of the scanned packages for which keep returns true.
func (s *indexScan) index(keep func(pkg string) bool) (*index, error) {
	ix := &index{units: s.units, inlined: s.functions, scan: s}
	keep = ix.counting(keep)
	numbers := map[string]int{} // of packages
	part := func(pkg string) *packageEntry {
		n, ok := numbers[pkg]
		if !ok {
			n = len(ix.packages)
			numbers[pkg] = n
			ix.packages = append(ix.packages, packageEntry{name: strings.Clone(pkg)})
		}
		return &ix.packages[n]
	}
	for pkg, types := range s.types {
		if !keep(pkg) {
			continue
		}
		for _, structs := range types {
			if len(structs) > 0 {
				part(pkg)
				break
			}
		}
	}
	var err error
	if ix.originals, err = s.literals(); err != nil {
		return nil, err
	}
	for i := range s.instances.count {
		if err := s.check.pass(workPerInstance); err != nil {
			return nil, err
		}
		inst := s.instances.at(i)
		qualified, pkg, rest, ok := ix.nameOf(i)
		switch {
		case qualified == "":
			if pkg, _, ok := splitPackage(collapse(s.nameOf(inst))); ok && keep(pkg) {
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
			if inst.is&trampoline != 0 && qualified != s.nameOf(inst) {
				s.instances.mark(int32(i), wrapper)
			}
			entry := part(pkg)
			entry.instances = append(entry.instances, int32(i))
		}
	}
	for i := range ix.packages {
		ix.packages[i].instances = slices.Clip(ix.packages[i].instances)
	}
	slices.SortFunc(ix.packages, func(a, b packageEntry) int { return strings.Compare(a.name, b.name) })
	return ix, nil
}

// nameOf returns the name of an instance of a function, without type arguments, and splits
// it. It is empty for a copied literal whose original is unknown. ok is false if it is not
// the name of a Go function.
func (ix *index) nameOf(i int) (qualified, pkg, rest string, ok bool) {
	inst := ix.scan.instances.at(i)
	name := ix.scan.nameOf(inst)
	qualified, isCopy := ix.originals[int32(i)]
	if !isCopy {
		qualified = collapse(name)
	}
	pkg, rest, ok = splitPackage(qualified)
	if !ok && inst.is&withCode != 0 && token.IsIdentifier(name) {
		// A go:linkname directive named it without a package.
		pkg, rest, ok = ix.units[inst.unit].name, name, true
	}
	return qualified, pkg, rest, ok
}

// expand returns the functions and types of a package.
func (ix *index) expand(p *packageEntry, check *checkpoint) (*packageIndex, error) {
	types := ix.scan.types[p.name]
	parts := &packageParts{functions: map[string]*functionIndex{}, types: map[string]*typeParts{}}
	for name, structs := range types {
		if len(structs) > 0 {
			parts.types[name] = &typeParts{structs: structs, methods: map[string]*functionIndex{}}
		}
	}
	for _, i := range p.instances {
		if err := check.pass(workPerInstance); err != nil {
			return nil, err
		}
		qualified, _, rest, _ := ix.nameOf(int(i))
		parts.add(qualified, rest, ix.scan.instances.instance(i), types)
	}
	return parts.sorted(p.name), nil
}

// counting returns a keep that remembers its results, and counts the packages it refuses.
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
func (s *indexScan) listed(inst *scanned, pkg, rest string) bool {
	if inst.is&byCgo != 0 || compilerMade(rest, s.types[pkg].has) || !isSource(s.fileOfInstance(inst)) {
		return false
	}
	if inst.is&trampoline == 0 {
		return true
	}
	_, _, literal := splitLiteral(rest, func(string) bool { return false })
	return !literal
}

// fileOfInstance returns the path of the file where a function begins, or "" if it is
// unknown: a function that was only inlined has a //line directive if it has code from
// several files, or before its first line.
func (s *indexScan) fileOfInstance(inst *scanned) string { return s.files.path(s.fileNumberOf(inst)) }

func (s *indexScan) fileNumberOf(inst *scanned) fileNumber {
	if inst.is&withCode != 0 {
		return inst.file
	}
	f := s.functions.find(inst.abstract)
	if f == nil || f.mixed {
		return 0
	}
	if first, _, ok := s.functions.ends(f); ok && first < inst.line {
		return 0
	}
	return f.file
}

// nameOf returns the linker's name of an instance.
func (s *indexScan) nameOf(inst *scanned) string { return s.dwarf.text(inst.name) }

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

func (p *packageParts) sorted(pkg string) *packageIndex {
	out := &packageIndex{name: pkg, functions: sortedFunctions(p.functions)}
	for _, name := range slices.Sorted(maps.Keys(p.types)) {
		t := p.types[name]
		structs := slices.Sorted(slices.Values(t.structs))
		out.types = append(out.types, typeIndex{
			qualified: pkg + "." + name,
			structs:   structs,
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
