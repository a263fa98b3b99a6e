package gosym

import (
	"bytes"
	"debug/dwarf"
	"encoding/binary"
	"errors"
	"fmt"
)

// debugInfo is a [dwarf.Data] that checks the numbers by which package dwarf
// allocates memory before that does.
type debugInfo struct {
	*dwarf.Data
	line []byte
}

const (
	// maxUnits bounds compile units, for which debug/dwarf allocates 100 bytes each.
	// A Go program has two for each package.
	maxUnits = 1 << 18

	// maxAbbrevBytes bounds the tables of abbreviations, which debug/dwarf decodes to
	// fifteen times their length. In Go programs they have some hundred bytes, in C++
	// some percent of the debug information.
	maxAbbrevBytes = 16 << 20

	// maxLineFiles bounds the files and the directories of a line table.
	maxLineFiles = 1 << 18
)

var errDamaged = errors.New("damaged")

// newDebugInfo returns the debugInfo of .debug_info and the sections that it needs.
func newDebugInfo(info []byte, section func(name string) ([]byte, error)) (*debugInfo, error) {
	content := map[string][]byte{}
	for _, name := range []string{"abbrev", "line", "ranges", "str", "addr", "line_str", "str_offsets", "rnglists"} {
		var err error
		if content[name], err = section(name); err != nil {
			return nil, err
		}
	}
	if err := checkUnits(info, content["abbrev"]); err != nil {
		return nil, err
	}
	d, err := dwarf.New(content["abbrev"], nil, nil, info, content["line"], nil, content["ranges"], content["str"])
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"addr", "line_str", "str_offsets", "rnglists"} {
		if err := d.AddSection(".debug_"+name, content[name]); err != nil {
			return nil, err
		}
	}
	return &debugInfo{Data: d, line: content["line"]}, nil
}

// checkUnits bounds the memory that [dwarf.New] allocates: for a list of all units,
// and for a table at each offset in .debug_abbrev that a unit names. dwarf.New itself
// reports damage.
func checkUnits(info, abbrev []byte) error {
	if len(abbrev) > maxAbbrevBytes {
		return fmt.Errorf("%w: %d bytes of abbreviations", ErrTooLarge, len(abbrev))
	}
	r := fieldReader{locationReader{rest: info, order: byteOrder(info)}}
	tables, tableBytes := map[uint64]bool{}, 0
	for count := 0; len(r.rest) > 0; {
		length, wide := r.unitLength()
		if r.failed || length > uint64(len(r.rest)) {
			return nil
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
		// Tables that overlap can be as many, and as long, as abbrev is long.
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
	if offset, ok := unit.Val(dwarf.AttrStmtList).(int64); ok && offset >= 0 && offset < int64(len(d.line)) {
		r := fieldReader{locationReader{rest: d.line[offset:], order: d.Reader().ByteOrder()}}
		if err := r.checkLineHeader(); err != nil {
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

func (r *fieldReader) offset(wide bool) uint64 {
	if wide {
		return r.uint(8)
	}
	return r.uint(4)
}

// checkLineHeader fails if the header of a line table announces more files or
// directories than it has. Before DWARF 5, headers have no such numbers.
func (r *fieldReader) checkLineHeader() error {
	length, wide := r.unitLength()
	r.rest = r.rest[:min(length, uint64(len(r.rest)))]
	if r.uint(2) != 5 {
		return nil
	}
	r.take(2)      // lengths of an address and of a segment selector
	r.offset(wide) // length of the header
	r.take(5)      // parameters of the line program
	r.take(uint64(max(r.byte(), 1)) - 1)
	for range 2 { // directories, then files
		if err := r.skipLineFiles(wide); err != nil {
			return err
		}
	}
	return nil
}

func (r *fieldReader) skipLineFiles(wide bool) error {
	forms := make([]uint64, r.byte())
	for i := range forms {
		r.uleb() // content
		forms[i] = r.uleb()
	}
	count := r.uleb()
	if count > min(maxLineFiles, uint64(len(r.rest))) {
		return fmt.Errorf("%w: a line table of %d files", ErrTooLarge, count)
	}
	for range count {
		for _, form := range forms {
			r.skipForm(form, wide)
		}
	}
	if r.failed {
		return fmt.Errorf("header of line table: %w", errDamaged)
	}
	return nil
}

func (r *fieldReader) skipForm(form uint64, wide bool) {
	switch form {
	case formString:
		text, _, _ := bytes.Cut(r.rest, []byte{0})
		r.take(uint64(len(text)) + 1)
	case formStrp, formLineStrp, formStrpSup:
		r.offset(wide)
	case formStrx, formUdata:
		r.uleb()
	case formBlock:
		r.take(r.uleb())
	default:
		// Like debug/dwarf, skip nothing for an unknown form.
		r.take(fixedForms[form])
	}
}
