package gosym

import (
	"debug/dwarf"
	"fmt"
	"io"
	"strings"
)

// Attributes and values that the Go toolchain adds to DWARF (cmd/internal/dwarf).
const (
	attrGoKind   = dwarf.Attr(0x2900)
	goKindStruct = 25
)

// indexScan builds an index.
type indexScan struct {
	inlineScan
	units     []unit
	instances []namedInstance
	// byAbstract has the position in instances of what has an abstract entry.
	byAbstract map[dwarf.Offset]int
	types      map[string]packageTypes
	nameBytes  int // of functions
}

type namedInstance struct {
	instance
	// name is the linker's, empty as long as it isn't known.
	name string
	// file and line are where the function begins; the file is empty where only
	// inlined copies tell it.
	file string
	line int32
	// trampoline is set if the compiler says that the function is a wrapper: so are
	// functions that it makes, those that call a generic function with a
	// dictionary, and a few of the runtime.
	trampoline bool
	byCgo      bool
}

// packageTypes are the types of a package by name; structs have their entries.
type packageTypes map[string][]dwarf.Offset

func (t packageTypes) has(name string) bool {
	_, ok := t[name]
	return ok
}

// newIndex reads all entries of the units of Go code once. Only packages that
// keep approves are listed.
func newIndex(obj *object, keep func(pkg string) bool) (*index, error) {
	s := &indexScan{
		inlineScan: inlineScan{
			dwarf:     obj.dwarf,
			locations: &obj.locations,
			functions: map[dwarf.Offset]*inlined{},
			files:     map[string]string{},
		},
		byAbstract: map[dwarf.Offset]int{},
		types:      map[string]packageTypes{},
	}
	if err := s.scan(obj.dwarf.Reader()); err != nil {
		return nil, err
	}
	if len(s.units) == 0 {
		return nil, ErrNotGo
	}
	return s.index(keep), nil
}

// maxPadding bounds how many ends of children may follow each other outside of the
// units that are read. debug/dwarf returns them for ever where a unit breaks off
// within a number.
const maxPadding = 1 << 12

// scan reads all units, from one end to the other.
func (s *indexScan) scan(r *dwarf.Reader) error {
	for padding := 0; padding < maxPadding; padding++ {
		e, err := r.Next()
		if err != nil {
			return fmt.Errorf("read DWARF entry: %w", err)
		}
		if e == nil {
			return nil
		}
		if e.Tag != 0 {
			padding = 0
		}
		if !beginsUnit(e) || !isGoCode(e) {
			continue
		}
		s.units = append(s.units, newUnit(e, r.AddressSize()))
		s.unit = &s.units[len(s.units)-1]
		if err := s.scanUnit(r); err != nil {
			return fmt.Errorf("read DWARF of %s: %w", s.unit.name, err)
		}
	}
	return fmt.Errorf("read DWARF entry: %w", io.ErrUnexpectedEOF)
}

// scanUnit notes what lies at the top of a unit, and the inlined calls below.
func (s *indexScan) scanUnit(r *dwarf.Reader) error {
	table, err := readLineTable(s.dwarf, s.unit, s.rows)
	if err != nil {
		return err
	}
	s.table, s.rows = table, table.rows[:0]
	if !s.unit.entry.Children {
		return nil
	}
	for {
		e, err := nextEntry(r)
		if err != nil {
			return err
		}
		switch e.Tag {
		case 0:
			return nil
		case dwarf.TagSubprogram:
			if err = s.subprogram(r, e); err == nil {
				err = s.checkSize(len(nameOf(e)))
			}
		case dwarf.TagConstant, dwarf.TagVariable:
			err = skipChildren(r, e)
		default:
			s.addType(e)
			err = skipChildren(r, e)
		}
		if err != nil {
			return err
		}
	}
}

const (
	// maxFunctions bounds the functions of a program, 150 bytes each. The compiler has
	// 50,000.
	maxFunctions = 1 << 21
	// maxNameBytes bounds their names together: entries can share a long one.
	maxNameBytes = 256 << 20
)

// checkSize fails where there are more functions, or longer names, than memory is
// for. It is called for each function.
func (s *indexScan) checkSize(nameBytes int) error {
	if s.nameBytes += nameBytes; s.nameBytes > maxNameBytes {
		return fmt.Errorf("%w: names of more than %d bytes", ErrTooLarge, maxNameBytes)
	}
	if len(s.instances) > maxFunctions || len(s.functions) > maxFunctions {
		return fmt.Errorf("%w: more than %d functions", ErrTooLarge, maxFunctions)
	}
	return nil
}

// subprogram notes a function, or what is known of one apart from its code.
func (s *indexScan) subprogram(r *dwarf.Reader, e *dwarf.Entry) error {
	n, err := readChildren(r, e)
	if err != nil {
		return err
	}
	if e.Val(dwarf.AttrInline) != nil {
		at := s.ofAbstract(e.Offset)
		at.name, at.line, at.hasAbstract = nameOf(e), lineOf(e), true
		at.byCgo = at.byCgo || wrapsCgoCall(n)
		return nil
	}
	calls, err := s.calls(n)
	if err != nil {
		return err
	}
	at := &namedInstance{name: nameOf(e), line: lineOf(e)}
	if origin, ok := e.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset); ok {
		at = s.ofAbstract(origin)
	} else {
		s.instances = append(s.instances, *at)
		at = &s.instances[len(s.instances)-1]
	}
	at.concrete, at.unit, at.hasCode = e.Offset, int32(len(s.units)-1), true
	at.trampoline = e.Val(dwarf.AttrTrampoline) != nil
	at.byCgo = at.byCgo || wrapsCgoCall(n)
	ranges, err := s.dwarf.Ranges(e)
	if err != nil {
		return fmt.Errorf("read PC ranges: %w", err)
	}
	s.runs = s.table.runs(s.runs[:0], sortRanges(ranges), sortRanges(calls))
	file := s.table.fileOf(e)
	if file < 0 {
		if at.line == 0 && len(s.runs) > 0 {
			at.line = s.runs[0].line
		}
		file = declaringFile(s.runs, at.line)
	}
	at.file = s.fileName(file)
	for _, r := range s.runs {
		if r.file == file {
			at.lastLine = max(at.lastLine, r.line)
		}
	}
	return nil
}

// isSource reports whether somebody wrote Go in the file of that path. It is ?? behind
// a //line directive without a name.
func isSource(path string) bool {
	return path != "" && path != "??" && path != "<autogenerated>" &&
		!strings.HasSuffix(path, ".s") && !strings.HasSuffix(path, "_cgo_gotypes.go")
}

// wrapsCgoCall reports whether cgo made a function literal: it wraps a call of C in
// one whose variables are called _cgo0, _cgo1.
func wrapsCgoCall(n node) bool {
	for _, child := range n.nodes {
		if isVariable(child.Entry) && isNumbered(nameOf(child.Entry), "_cgo") ||
			child.Tag == dwarf.TagLexDwarfBlock && wrapsCgoCall(child) {
			return true
		}
	}
	return false
}

// ofAbstract is the instance with that abstract entry, which may lie further on.
func (s *indexScan) ofAbstract(offset dwarf.Offset) *namedInstance {
	i, ok := s.byAbstract[offset]
	if !ok {
		i = len(s.instances)
		s.byAbstract[offset] = i
		s.instances = append(s.instances, namedInstance{instance: instance{abstract: offset}})
	}
	return &s.instances[i]
}

// addType notes e if it is a type with a package: a typedef, or what the type is
// where the compiler makes no typedef, as for `type Celsius float64`.
func (s *indexScan) addType(e *dwarf.Entry) {
	pkg, name, ok := splitPackage(collapse(nameOf(e)))
	if !ok || strings.HasPrefix(name, "_Ctype_") ||
		strings.ContainsAny(name, ". {}()<>*,;\"") && !strings.HasSuffix(name, "[...]") {
		return
	}
	types := s.types[pkg]
	if types == nil {
		types = packageTypes{}
		s.types[pkg] = types
	}
	entries := types[name]
	if kind, ok := e.Val(attrGoKind).(int64); ok && kind == goKindStruct && e.Tag == dwarf.TagStructType {
		entries = append(entries, e.Offset)
	}
	types[name] = entries
}
