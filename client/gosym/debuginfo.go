package gosym

import (
	"debug/dwarf"
	"encoding/binary"
	"errors"
	"fmt"
)

// debugInfo has the debug sections. Package dwarf checks the units and reads the headers of
// line tables; before that, debugInfo checks the numbers by which package dwarf allocates
// memory.
type debugInfo struct {
	*dwarf.Data

	sections debugSections
	order    binary.ByteOrder
	units    []infoUnit
	tables   map[uint64]*abbrevTable
}

// debugSections are the sections, nil if they are missing.
type debugSections struct {
	info, abbrev, line, ranges, str, addr, lineStr, strOffsets, rnglists []byte
}

const (
	// maxUnits bounds compile units, for which debug/dwarf allocates 100 bytes each.
	// A Go program has two for each package.
	maxUnits = 1 << 18

	// maxAbbrevBytes bounds the tables of abbreviations, which debug/dwarf decodes to
	// fifteen times their length. They take a few hundred bytes in Go programs, and a few
	// percent of the debug information in C++.
	maxAbbrevBytes = 16 << 20

	// maxLineFiles bounds the files and the directories of a line table.
	maxLineFiles = 1 << 18
)

var errDamaged = errors.New("damaged")

// newDebugInfo returns the debugInfo of .debug_info and the sections that it needs.
func newDebugInfo(info []byte, section func(name string) ([]byte, error), check *checkpoint) (*debugInfo, error) {
	all := debugSections{info: info}
	for _, s := range []struct {
		name string
		dst  *[]byte
	}{
		{"abbrev", &all.abbrev},
		{"line", &all.line},
		{"ranges", &all.ranges},
		{"str", &all.str},
		{"addr", &all.addr},
		{"line_str", &all.lineStr},
		{"str_offsets", &all.strOffsets},
		{"rnglists", &all.rnglists},
	} {
		var err error
		if *s.dst, err = section(s.name); err != nil {
			return nil, err
		}
	}
	d := &debugInfo{sections: all, tables: map[uint64]*abbrevTable{}}
	return d, guarded(func() error { return d.parse(check) })
}

// parse reads the units.
func (d *debugInfo) parse(check *checkpoint) (err error) {
	all := &d.sections
	if err := checkUnits(all.info, all.abbrev); err != nil {
		return err
	}
	d.order = byteOrder(all.info)
	d.Data, err = dwarf.New(all.abbrev, nil, nil, all.info, all.line, nil, all.ranges, all.str)
	if err != nil {
		return err
	}
	// The headers of line tables refer to it.
	if err := d.AddSection(".debug_line_str", all.lineStr); err != nil {
		return err
	}
	return d.readUnits(check)
}

// checkUnits bounds the memory that [dwarf.New] allocates: for a list of all units,
// and for a table at each offset in .debug_abbrev that a unit names. dwarf.New cuts a
// length off to 32 bits, so checkUnits fails for units that exceed the section.
func checkUnits(info, abbrev []byte) error {
	if len(abbrev) > maxAbbrevBytes {
		return fmt.Errorf("%w: %d bytes of abbreviations", ErrTooLarge, len(abbrev))
	}
	r := fieldReader{locationReader{rest: info, order: byteOrder(info)}}
	tables, tableBytes := map[uint64]bool{}, 0
	for count := 0; len(r.rest) > 0; {
		at := len(info) - len(r.rest)
		length, wide := r.unitLength()
		if r.failed || length > uint64(len(r.rest)) {
			return fmt.Errorf("unit at %#x: %w", at, errDamaged)
		}
		if length == 0 {
			continue
		}
		if count++; count > maxUnits {
			return fmt.Errorf("%w: more than %d units", ErrTooLarge, maxUnits)
		}
		header := fieldReader{locationReader{rest: r.rest[:length], order: r.order}}
		r.take(length)
		if version := header.uint(2); version >= 5 {
			header.take(2) // kind of unit, length of an address
		}
		table := header.offset(wide)
		if header.failed || tables[table] || table > uint64(len(abbrev)) {
			continue
		}
		tables[table] = true
		// Overlapping tables can be as many, and each as long, as abbrev has bytes.
		if tableBytes += abbrevTableBytes(abbrev[table:]); tableBytes > len(abbrev) {
			return fmt.Errorf("%w: tables of abbreviations overlap", ErrTooLarge)
		}
	}
	return nil
}

// byteOrder returns the byte order, which it finds like [dwarf.New] in the first
// unit's version.
func byteOrder(info []byte) binary.ByteOrder {
	position := 4
	if len(info) > position && binary.LittleEndian.Uint32(info) == wideLength {
		position += 8
	}
	if len(info) > position+1 && info[position] == 0 {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// abbrevTableBytes returns the length of the table that abbrev begins with.
func abbrevTableBytes(abbrev []byte) int {
	r := locationReader{rest: abbrev}
	for r.uleb() != 0 && !r.failed {
		r.uleb() // tag
		r.byte() // whether there are children
		for {
			attribute, form := r.uleb(), r.uleb()
			if attribute == 0 && form == 0 {
				break
			}
			if form == formImplicitConst {
				r.uleb()
			}
		}
	}
	if r.failed {
		return len(abbrev)
	}
	return len(abbrev) - len(r.rest)
}

// LineReader checks the header of the unit's line table first, because package dwarf
// allocates lists as long as the header says.
func (d *debugInfo) LineReader(unit *dwarf.Entry) (*dwarf.LineReader, error) {
	line := d.sections.line
	if offset, ok := unit.Val(dwarf.AttrStmtList).(int64); ok && offset >= 0 && offset < int64(len(line)) {
		dir, _ := unit.Val(dwarf.AttrCompDir).(string)
		h := lineHeader{fieldReader{locationReader{rest: line[offset:], order: d.order}}, &d.sections}
		if err := h.check(dir); err != nil {
			return nil, err
		}
	}
	return d.Data.LineReader(unit)
}

// wideLength precedes the length of a unit with offsets of 64 bits.
const wideLength = 0xffffffff

// Forms of the fields in a line table's header (DWARF 5, section 7.5.6).
const (
	formString        = 0x08
	formBlock         = 0x09
	formStrp          = 0x0e
	formUdata         = 0x0f
	formStrx          = 0x1a
	formStrpSup       = 0x1d
	formLineStrp      = 0x1f
	formImplicitConst = 0x21
)

// fixedForms are the lengths of the other forms.
var fixedForms = map[uint64]uint64{
	0x0b: 1, 0x05: 2, 0x06: 4, 0x07: 8, 0x1e: 16, // data1 to data16
	0x25: 1, 0x26: 2, 0x27: 3, 0x28: 4, // strx1 to strx4
}

// fieldReader reads the fields of headers.
type fieldReader struct{ locationReader }

// unitLength reads the length of a unit. wide means that it has offsets of 64 bits.
func (r *fieldReader) unitLength() (length uint64, wide bool) {
	if length := r.uint(4); length != wideLength {
		return length, false
	}
	return r.offset(true), true
}
