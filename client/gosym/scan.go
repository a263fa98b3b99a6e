package gosym

import (
	"debug/dwarf"
	"fmt"
	"strings"
	"unsafe"
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
	instances instances
	// byAbstract are the indexes in instances, by abstract entry.
	byAbstract map[dwarf.Offset]int32
	types      map[string]packageTypes
	nameBytes  int // of functions and types
	typeCount  int
	memory     *allowance
}

// packageTypes are the types of a package by name, with the entries of structs.
type packageTypes map[string][]dwarf.Offset

func (t packageTypes) has(name string) bool {
	_, ok := t[name]
	return ok
}

// newIndex reads all entries of the units of Go code once. It lists the packages for which
// keep returns true.
func newIndex(obj *object, keep func(pkg string) bool, check *checkpoint) (*index, error) {
	s := &indexScan{
		memory: obj.spool.memory,
		inlineScan: inlineScan{
			dwarf:     obj.dwarf,
			locations: &obj.locations,
			functions: newInlinedFunctions(),
			files:     newFiles(),
			rows:      &lineRows{check: check},
			check:     check,
		},
		byAbstract: map[dwarf.Offset]int32{},
		types:      map[string]packageTypes{},
	}
	if err := s.scan(obj.dwarf.reader(check)); err != nil {
		return nil, err
	}
	if len(s.units) == 0 {
		return nil, ErrNotGo
	}
	s.byAbstract, s.rows, s.runs, s.pcs = nil, nil, nil, nil
	if err := s.instances.freeze(obj.spool, check); err != nil {
		return nil, err
	}
	if err := s.functions.freeze(obj.spool, check); err != nil {
		return nil, err
	}
	return s.index(keep)
}

// scan reads all units in order.
func (s *indexScan) scan(r *entryReader) error {
	var e entry
	for {
		ok, err := r.next(&e)
		if err != nil {
			return fmt.Errorf("read DWARF: %w", err)
		}
		if !ok {
			return nil
		}
		if err := s.check.pass(1 + int(e.fieldCount)); err != nil {
			return err
		}
		if !beginsUnit(&e) || !r.root.isGoCode() {
			continue
		}
		s.units = append(s.units, newUnit(&e, &r.root))
		s.unit = &s.units[len(s.units)-1]
		if err := s.scanUnit(r, e.children); err != nil {
			return fmt.Errorf("read DWARF of %s: %w", s.unit.name, err)
		}
	}
}

// scanUnit records the functions and types of a unit, and the inlined calls in them.
func (s *indexScan) scanUnit(r *entryReader, hasChildren bool) error {
	var err error
	if s.unit.lines, err = readLineTable(s.dwarf, s.unit, s.files); err != nil {
		return err
	}
	s.unit.entry = nil
	if err := s.memory.permits(s.bytes()); err != nil {
		return err
	}
	if err := s.check.pass(workPerUnit + len(s.unit.lines.files)); err != nil {
		return err
	}
	s.rows.open(s.unit.lines)
	if err := s.rows.find(); err != nil {
		return fmt.Errorf("read line table: %w", err)
	}
	if !hasChildren {
		return nil
	}
	for {
		var e entry
		if err := r.nextInUnit(&e); err != nil {
			return err
		}
		switch e.tag {
		case 0:
			return nil
		case dwarf.TagSubprogram:
			if err = s.subprogram(r, &e); err == nil {
				err = s.checkSize(len(e.name))
			}
		case dwarf.TagConstant, dwarf.TagVariable:
			err = r.skipChildren(&e)
		default:
			if s.addType(&e) {
				err = s.checkSize(len(e.name))
			}
			if err == nil {
				err = r.skipChildren(&e)
			}
		}
		if err != nil {
			return err
		}
	}
}

const (
	// maxFunctions bounds the functions of a program, of 150 bytes each. The compiler
	// has 50,000.
	maxFunctions = 1 << 21
	// maxNameBytes bounds the sum of their names and those of types: entries can share a long
	// one.
	maxNameBytes = 256 << 20
)

// checkSize counts the name of a function or type, and fails if there are too many functions or too
// long names.
func (s *indexScan) checkSize(nameBytes int) error {
	if s.nameBytes += nameBytes; s.nameBytes > maxNameBytes {
		return fmt.Errorf("%w: names of more than %d bytes", ErrTooLarge, maxNameBytes)
	}
	if s.instances.count > maxFunctions || len(s.functions.functions) > maxFunctions {
		return fmt.Errorf("%w: more than %d functions", ErrTooLarge, maxFunctions)
	}
	return s.memory.permits(s.bytes())
}

// bytes returns about how much memory the index takes.
func (s *indexScan) bytes() uint64 {
	const mapEntryBytes, packageBytes, unitBytes, listBytes, spanBytes, fileBytes = 24, 400, 500, 24, 8, 4
	f := s.functions
	return uint64(s.instances.count*int(unsafe.Sizeof(scanned{})) +
		(len(s.byAbstract)+len(f.numbers)+2*s.typeCount)*mapEntryBytes + len(s.types)*packageBytes +
		cap(f.functions)*int(unsafe.Sizeof(inlined{})) + cap(f.values)*int(unsafe.Sizeof(values{})) +
		cap(f.wide)*listBytes + f.wideSpans*spanBytes +
		s.files.bytes + s.files.inTables*fileBytes + len(s.units)*unitBytes)
}

// subprogram records the concrete or abstract entry of a function.
func (s *indexScan) subprogram(r *entryReader, e *entry) error {
	r.reset()
	n, err := r.children(e)
	if err != nil {
		return err
	}
	if e.has&isInline != 0 {
		inst := s.ofAbstract(e.offset)
		inst.name, inst.line = s.dwarf.textOf(e.name), e.line
		inst.is |= withAbstract | byCgoIf(n)
		return nil
	}
	ranges, err := s.dwarf.ranges(nil, e, s.check)
	if err != nil {
		return fmt.Errorf("read PC ranges: %w", err)
	}
	ranges = sortRanges(ranges)
	place, err := s.rows.load(ranges)
	if err != nil {
		return fmt.Errorf("read line table: %w", err)
	}
	calls, err := s.calls(n)
	if err != nil {
		return err
	}
	var inst *scanned
	if e.has&hasOrigin != 0 {
		inst = s.ofAbstract(e.origin)
	} else {
		inst = s.instances.at(s.instances.add())
		inst.name, inst.line = s.dwarf.textOf(e.name), e.line
	}
	inst.concrete, inst.unit, inst.rows = e.offset, int32(len(s.units)-1), place
	inst.is = inst.is&^trampoline | withCode | byCgoIf(n)
	if e.has&isTrampoline != 0 {
		inst.is |= trampoline
	}
	s.runs = s.rows.runs(s.runs[:0], ranges, sortRanges(calls))
	file := s.unit.lines.fileOf(e)
	if file < 0 {
		if inst.line == 0 && len(s.runs) > 0 {
			inst.line = s.runs[0].line
		}
		file = declaringFile(s.runs, inst.line)
	}
	inst.file = fileNumber(max(file, 0))
	for _, r := range s.runs {
		if r.file == file {
			inst.lastLine = max(inst.lastLine, r.line)
		}
	}
	return nil
}

// unknownFile is the path after a //line directive without a name.
const unknownFile = "??"

// isSource reports whether a path is a Go source file that neither the compiler nor cgo
// made.
func isSource(path string) bool {
	return path != "" && path != unknownFile && path != "<autogenerated>" &&
		!strings.HasSuffix(path, ".s") && !strings.HasSuffix(path, "_cgo_gotypes.go")
}

// byCgoIf returns byCgo if a function literal was made by cgo.
func byCgoIf(n node) traits {
	if wrapsCgoCall(n) {
		return byCgo
	}
	return 0
}

// wrapsCgoCall reports whether a function literal was made by cgo, which wraps a call of
// C in one with variables named _cgo0, _cgo1.
func wrapsCgoCall(n node) bool {
	for child := range n.children() {
		e := child.entry()
		if e.isVariable() && isNumbered(e.name, "_cgo") || e.tag == dwarf.TagLexDwarfBlock && wrapsCgoCall(child) {
			return true
		}
	}
	return false
}

// ofAbstract returns the instance with that abstract entry, which may not be read yet.
func (s *indexScan) ofAbstract(offset dwarf.Offset) *scanned {
	i, ok := s.byAbstract[offset]
	if !ok {
		i = int32(s.instances.add())
		s.byAbstract[offset] = i
		s.instances.at(int(i)).abstract = offset
	}
	return s.instances.at(int(i))
}

// addType records e if it is a type with a package: a typedef, or the type itself if the
// compiler makes no typedef, as for `type Celsius float64`. It returns whether e is one.
func (s *indexScan) addType(e *entry) bool {
	pkg, name, ok := splitPackage(collapse(e.name))
	if !ok || strings.HasPrefix(name, "_Ctype_") ||
		strings.ContainsAny(name, ". {}()<>*,;\"") && !strings.HasSuffix(name, "[...]") {
		return false
	}
	types := s.types[pkg]
	if types == nil {
		types = packageTypes{}
		s.types[pkg] = types
	}
	entries, known := types[name]
	if !known {
		s.typeCount++
	}
	if e.has&isGoStruct != 0 && e.tag == dwarf.TagStructType {
		entries = append(entries, e.offset)
	}
	types[name] = entries
	return true
}
