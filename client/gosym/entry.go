package gosym

import (
	"debug/dwarf"
	"fmt"
	"io"
)

// entry is an entry of .debug_info, with the attributes that gosym uses. Its texts are
// parts of a section. An attribute with a value of an unexpected kind counts as missing.
type entry struct {
	offset dwarf.Offset
	tag    dwarf.Tag
	has    attributes
	// fieldCount is the number of all attributes.
	fieldCount int32
	// below is how many entries of a node are below this one.
	below    int32
	children bool

	name string
	// line is where the declaration is, or 0; file is its number of the file, or -1.
	line, file int32
	// origin is the abstract entry, typ the entry of the type.
	origin, typ dwarf.Offset
	// high is an address, or the length of the code if hasLength is set.
	low, high uint64
	// ranges is an offset into a section with lists of PC ranges.
	ranges uint64
	// expression is the location, list the offset of a list of locations.
	expression []byte
	list       int64
	unit       *infoUnit
}

// attributes is a set of an entry's attributes. The names with `is` are attributes without
// a value, or with the value true.
type attributes uint32

const (
	hasOrigin attributes = 1 << iota
	hasType
	hasLow
	hasHigh
	hasLength
	hasRanges
	hasRangeList
	hasExpression
	hasList
	isInline
	isTrampoline
	isCaptured
	isResult
	isGoStruct
)

// rootAttributes are attributes that only the first entry of a unit has.
type rootAttributes struct {
	language, stmtList, addrBase int64
	hasStmtList, hasAddrBase     bool
	producer, dir                string
	entry                        uint64
	hasEntry                     bool
	stringsBase, rangesBase      int64
}

// entryReader reads entries in order.
type entryReader struct {
	info  *debugInfo
	check *checkpoint
	// unit is the index of the current unit.
	unit int
	data locationReader
	err  error
	// root has the attributes of the last entry read that begins a unit.
	root rootAttributes
	// arena holds the nodes being used.
	arena []entry
}

// reader returns a reader of the first entry.
func (d *debugInfo) reader(check *checkpoint) *entryReader {
	r := &entryReader{info: d, check: check}
	r.begin(0)
	return r
}

// begin goes to the first entry of a unit.
func (r *entryReader) begin(unit int) {
	if r.unit = unit; unit < len(r.info.units) {
		r.goTo(r.info.units[unit].begin)
	}
}

// goTo goes to an entry of the current unit.
func (r *entryReader) goTo(offset dwarf.Offset) {
	u := &r.info.units[r.unit]
	r.data = locationReader{rest: r.info.sections.info[offset:u.end], order: r.info.order, addrBytes: u.addrBytes}
}

// offset returns where the next entry is.
func (r *entryReader) offset() dwarf.Offset {
	return r.info.units[r.unit].end - dwarf.Offset(len(r.data.rest))
}

// seek goes to the entry at an offset.
func (r *entryReader) seek(offset dwarf.Offset) {
	r.err = nil
	if offset == 0 {
		r.begin(0)
		return
	}
	if r.unit = r.info.unitAt(offset); r.unit < 0 {
		r.unit, r.err = 0, fmt.Errorf("%w: it is in no unit", errDamaged)
		return
	}
	r.goTo(offset)
}

// next reads the next entry, in the next unit if this one has ended. It returns false at
// the end of the section. The end of a list of children has no tag.
func (r *entryReader) next(e *entry) (bool, error) {
	if r.err != nil {
		return false, r.err
	}
	for len(r.data.rest) == 0 {
		if r.unit+1 >= len(r.info.units) {
			return false, nil
		}
		r.begin(r.unit + 1)
	}
	if r.err = r.read(e); r.err != nil {
		return false, r.err
	}
	return true, nil
}

func (r *entryReader) read(e *entry) error {
	u := &r.info.units[r.unit]
	offset := r.offset()
	*e = entry{file: -1, unit: u}
	code := r.data.uleb()
	if code == 0 {
		return r.data.failure(offset)
	}
	a := u.table.find(uint64(uint32(code)))
	if a == nil {
		return fmt.Errorf("entry at %#x: %w: unknown abbreviation %d", offset, errDamaged, code)
	}
	e.offset, e.tag, e.children, e.fieldCount = offset, a.tag, a.children, int32(len(a.fields))
	isRoot := beginsUnit(e)
	if isRoot {
		r.root = rootAttributes{}
	}
	var seen seenAttributes
	for i := range a.fields {
		f := &a.fields[i]
		v, err := r.info.value(&r.data, u, f.form, f.implicit)
		if err != nil {
			return fmt.Errorf("entry at %#x: %w", offset, err)
		}
		e.set(dwarf.Attr(f.attr), v, &seen)
		if isRoot {
			r.root.set(dwarf.Attr(f.attr), v, &seen)
		}
	}
	return r.data.failure(offset)
}

// failure returns an error if the entry at an offset ended early.
func (r *locationReader) failure(offset dwarf.Offset) error {
	if r.failed {
		return fmt.Errorf("entry at %#x: %w", offset, io.ErrUnexpectedEOF)
	}
	return nil
}

// seenAttributes are the attributes read so far: the first of several counts.
type seenAttributes uint32

// first reports whether an attribute, by its bit, comes for the first time.
func (s *seenAttributes) first(bit int) bool {
	is := *s&(1<<bit) == 0
	*s |= 1 << bit
	return is
}

// maxNameLength bounds a name in Go code. Names of generic functions have up to 3,000 bytes.
const maxNameLength = 64 << 10

// checkName fails if the name is too long: many entries can share it.
func (e *entry) checkName() error {
	if len(e.name) > maxNameLength {
		return fmt.Errorf("%w: the entry at %#x has a name of %d bytes", ErrTooLarge, e.offset, len(e.name))
	}
	return nil
}

// set sets the attribute to v.
func (e *entry) set(attr dwarf.Attr, v value, seen *seenAttributes) {
	switch attr {
	case dwarf.AttrName:
		if seen.first(0) {
			e.name = v.text()
		}
	case dwarf.AttrDeclLine:
		if n, ok := v.signed(); seen.first(1) && ok && 0 <= n && n <= maxLine {
			e.line = int32(n)
		}
	case dwarf.AttrDeclFile:
		if n, ok := v.signed(); seen.first(2) && ok && 0 <= n && n <= maxLine {
			e.file = int32(n)
		}
	case dwarf.AttrAbstractOrigin:
		if target, ok := v.reference(); seen.first(3) && ok {
			e.origin, e.has = target, e.has|hasOrigin
		}
	case dwarf.AttrType:
		if target, ok := v.reference(); seen.first(4) && ok {
			e.typ, e.has = target, e.has|hasType
		}
	case dwarf.AttrLowpc:
		if seen.first(5) && v.kind == kindAddress {
			e.low, e.has = v.number, e.has|hasLow
		}
	case dwarf.AttrHighpc:
		if !seen.first(6) {
			return
		}
		switch v.kind {
		case kindAddress:
			e.high, e.has = v.number, e.has|hasHigh
		case kindConstant:
			e.high, e.has = v.number, e.has|hasLength
		default:
		}
	case dwarf.AttrRanges:
		if !seen.first(7) {
			return
		}
		switch v.kind {
		case kindOffset:
			e.ranges, e.has = v.number, e.has|hasRanges
		case kindConstant: // before DWARF 4
			if e.ranges = v.number; e.unit.version < 4 {
				e.has |= hasRanges
			}
		case kindRangeList:
			e.ranges, e.has = v.number, e.has|hasRangeList
		default:
		}
	case dwarf.AttrLocation:
		if !seen.first(8) {
			return
		}
		if n, ok := v.signed(); ok {
			e.list, e.has = n, e.has|hasList
		} else if v.kind == kindBlock {
			e.expression, e.has = v.bytes, e.has|hasExpression
		}
	case dwarf.AttrInline:
		e.has |= isInline
	case dwarf.AttrTrampoline:
		e.has |= isTrampoline
	case attrGoClosureOffset:
		e.has |= isCaptured
	case dwarf.AttrVarParam:
		if seen.first(9) && v.kind == kindFlag && v.number == 1 {
			e.has |= isResult
		}
	case attrGoKind:
		if n, ok := v.signed(); seen.first(10) && ok && n == goKindStruct {
			e.has |= isGoStruct
		}
	default:
	}
}

// set sets the attribute to v.
func (a *rootAttributes) set(attr dwarf.Attr, v value, seen *seenAttributes) {
	n, isNumber := v.signed()
	switch attr {
	case dwarf.AttrLanguage:
		if seen.first(16) && isNumber {
			a.language = n
		}
	case dwarf.AttrProducer:
		if seen.first(17) {
			a.producer = v.text()
		}
	case dwarf.AttrStmtList:
		if seen.first(18) && isNumber {
			a.stmtList, a.hasStmtList = n, true
		}
	case dwarf.AttrCompDir:
		if seen.first(19) {
			a.dir = v.text()
		}
	case dwarf.AttrAddrBase:
		if seen.first(20) && isNumber {
			a.addrBase, a.hasAddrBase = n, true
		}
	case dwarf.AttrStrOffsetsBase:
		if seen.first(21) && isNumber {
			a.stringsBase = n
		}
	case dwarf.AttrRnglistsBase:
		if seen.first(22) && isNumber {
			a.rangesBase = n
		}
	case dwarf.AttrEntrypc:
		if seen.first(23) && v.kind == kindAddress {
			a.entry, a.hasEntry = v.number, true
		}
	default:
	}
}
