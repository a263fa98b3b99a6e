package gosym

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
)

// bareLineHeader is a line table of DWARF 5 without rows. It announces as many directories
// and files as counts says, but has none.
func bareLineHeader(folders, files uint64) []byte {
	le := binary.LittleEndian
	b := le.AppendUint16(nil, 5)
	b = append(b, 8, 0)
	rest := []byte("\x01\x01\x01\xfb\x0e\x0d\x00\x01\x01\x01\x01\x00\x00\x00\x01\x00\x00\x01\x00") // a format of no fields
	rest = binary.AppendUvarint(rest, folders)
	rest = binary.AppendUvarint(append(rest, 0), files)
	rest = append(rest, make([]byte, 100)...)
	b = append(le.AppendUint32(b, uint32(len(rest))), rest...)
	return append(le.AppendUint32(nil, uint32(len(b))), b...)
}

// debug/dwarf allocates lists as long as these counts say, and so takes all memory or
// panics.
func TestLineTableOfManyFiles(t *testing.T) {
	t.Parallel()
	for _, counts := range [][2]uint64{{1 << 40, 0}, {1 << 62, 0}, {0, 1 << 40}, {0, 1<<64 - 1}, {101, 101}} {
		s := synthetic(1)
		s.line = bareLineHeader(counts[0], counts[1])
		if _, err := s.scopes(); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%d folders, %d files: %v, want %v", counts[0], counts[1], err, ErrTooLarge)
		}
	}
	s := synthetic(1)
	s.line = bareLineHeader(3, 7)
	if _, err := s.scopes(); err != nil {
		t.Errorf("3 folders, 7 files: %v", err)
	}
}

// pathsLineTable is a line table of DWARF 5 without rows, with so many directories and
// files. Their path is the string at the beginning of .debug_line_str.
func pathsLineTable(folders, files int) []byte {
	le := binary.LittleEndian
	b := le.AppendUint16(nil, 5)
	b = append(b, 8, 0)
	rest := []byte("\x01\x01\x01\xfb\x0e\x0d\x00\x01\x01\x01\x01\x00\x00\x00\x01\x00\x00\x01")
	for _, count := range []int{folders, files} {
		rest = append(rest, 1, 1, formLineStrp) // the path
		rest = binary.AppendUvarint(rest, uint64(count))
		rest = append(rest, make([]byte, 4*count)...)
	}
	b = append(le.AppendUint32(b, uint32(len(rest))), rest...)
	return append(le.AppendUint32(nil, uint32(len(b))), b...)
}

// A few bytes can name a long path many times, and put a long directory before it.
func TestLongPaths(t *testing.T) {
	t.Parallel()
	const long = 1 << 20
	text := append(bytes.Repeat([]byte{'a'}, long), 0)
	for _, tt := range []struct {
		folders, files int
		want           error
	}{
		{1, 1, nil},
		{maxLinePathBytes / long, 0, nil},
		{maxLinePathBytes/long + 1, 0, ErrTooLarge},
		{0, maxLinePathBytes/long + 1, ErrTooLarge},
		{1, maxLinePathBytes/long/2 + 1, ErrTooLarge},
	} {
		h := lineHeader{
			fieldReader{locationReader{rest: pathsLineTable(tt.folders, tt.files), order: binary.LittleEndian}},
			&debugSections{lineStr: text},
		}
		if err := h.check(""); !errors.Is(err, tt.want) {
			t.Errorf("%d folders and %d files: %v, want %v", tt.folders, tt.files, err, tt.want)
		}
	}
	four := func(paths string) error {
		le := binary.LittleEndian
		header := append([]byte("\x01\x01\x01\xfb\x0e\x0d\x00\x01\x01\x01\x01\x00\x00\x00\x01\x00\x00\x01"), paths...)
		b := append(le.AppendUint32(le.AppendUint16(nil, 4), uint32(len(header))), header...)
		h := lineHeader{
			fieldReader{locationReader{rest: append(le.AppendUint32(nil, uint32(len(b))), b...), order: le}}, &debugSections{},
		}
		return h.check("/dir")
	}
	folder := string(text)
	if err := four(folder + "\x00" + strings.Repeat("f\x00\x01\x00\x00", 10) + "\x00"); err != nil {
		t.Errorf("DWARF 4, 10 files: %v", err)
	}
	if err := four(folder + "\x00" + strings.Repeat("f\x00\x01\x00\x00", 20) + "\x00"); !errors.Is(err, ErrTooLarge) {
		t.Errorf("DWARF 4, 20 files: %v, want %v", err, ErrTooLarge)
	}
}

// Paths of all tables together are bounded too.
func TestManyPaths(t *testing.T) {
	t.Parallel()
	const long = 1 << 20
	text := strings.Repeat("a", long+maxPathBytes/long)
	all := newFiles()
	for i := range maxPathBytes / long {
		path := text[:long+i]
		n, err := all.number(path)
		if i == maxPathBytes/long-1 {
			if !errors.Is(err, ErrTooLarge) {
				t.Errorf("path %d: %v, want %v", i, err, ErrTooLarge)
			}
			break
		}
		if again, _ := all.number(path); err != nil || again != n || all.path(n) != path {
			t.Errorf("path %d: %d, then %d, %v, want the same without an error", i, n, again, err)
		}
	}
}

// Units can share a table, and each has its own list of the files.
func TestFilesOfManyUnits(t *testing.T) {
	t.Parallel()
	le := binary.LittleEndian
	const files = 1 << 13
	file := []byte("p.go\x00\x00\x00\x00")
	for units, want := range map[int]error{maxTableFiles / files / 16: nil, maxTableFiles / files: ErrTooLarge} {
		s := synthetic(1)
		i := bytes.Index(s.line, file)
		s.line = slices.Concat(s.line[:i], bytes.Repeat(file, files), s.line[i:])
		le.PutUint32(s.line, uint32(len(s.line)-4))
		le.PutUint32(s.line[6:], le.Uint32(s.line[6:])+uint32(files*len(file)))
		s.info = bytes.Repeat(s.info, units)
		if _, err := s.scopes(); !errors.Is(err, want) {
			t.Errorf("%d units with %d files: %v, want %v", units, files, err, want)
		}
	}
	s := indexScan{inlineScan: inlineScan{functions: newInlinedFunctions(), files: newFiles()}}
	before := s.bytes()
	s.files.inTables = files
	if got := s.bytes() - before; got != 4*files {
		t.Errorf("%d files in tables count as %d bytes, want 4 each", files, got)
	}
}

// unitOf is a unit of DWARF 4 without entries, with its table at an offset.
func unitOf(table uint32) []byte {
	b := []byte{8, 0, 0, 0, 4, 0}
	return append(binary.LittleEndian.AppendUint32(b, table), 8, 0)
}

// Each offset in .debug_abbrev that a unit names becomes a table, up to the next end of a
// table.
func TestTablesThatOverlap(t *testing.T) {
	t.Parallel()
	s := synthetic(1)
	const tables = 1000
	s.abbrev = append(bytes.Repeat([]byte{1, 0x11, 0, 0, 0}, tables), 0)
	s.info = nil
	for i := range uint32(tables) {
		s.info = append(s.info, unitOf(5*i)...)
	}
	if _, err := s.scopes(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("tables within each other: %v, want %v", err, ErrTooLarge)
	}
	s.info = bytes.Repeat(unitOf(0), tables)
	if _, err := s.scopes(); !errors.Is(err, ErrNotGo) {
		t.Errorf("one table for all units: %v, want %v", err, ErrNotGo)
	}
}

func TestManyUnits(t *testing.T) {
	t.Parallel()
	s := synthetic(1)
	s.info = bytes.Repeat(unitOf(0), maxUnits+1)
	if _, err := s.scopes(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d units: %v, want %v", maxUnits+1, err, ErrTooLarge)
	}
	s = synthetic(1)
	s.abbrev = make([]byte, maxAbbrevBytes+1)
	if _, err := s.scopes(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d bytes of abbreviations: %v, want %v", len(s.abbrev), err, ErrTooLarge)
	}
}

// debug/dwarf cuts a length off to 32 bits and reads on, so such a unit must not end the
// checks of those after it.
func TestUnitThatExceedsItsSection(t *testing.T) {
	t.Parallel()
	le := binary.LittleEndian
	wide := le.AppendUint64(le.AppendUint32(nil, wideLength), 1<<32+11)
	wide = append(wide, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8)
	s := synthetic(1)
	s.info = append(wide, s.info...)
	if _, err := s.scopes(); !errors.Is(err, errDamaged) {
		t.Errorf("a length of 2^32 too much: %v, want %v", err, errDamaged)
	}
	le.PutUint64(s.info[4:], 11)
	if _, err := s.scopes(); err != nil {
		t.Errorf("the right length: %v", err)
	}
	s = synthetic(1)
	s.info = append(s.info, 1, 0, 0)
	if _, err := s.scopes(); !errors.Is(err, errDamaged) {
		t.Errorf("part of a length: %v, want %v", err, errDamaged)
	}
}

// Sections that become much larger in memory than in the file are bounded, however much of
// the total limit is left.
func TestManyEntries(t *testing.T) {
	t.Parallel()
	within := func(s sections, body []byte) sections { // a function with this below it
		return s.with([]byte{abAbstract, 'p', '.', 'H', 0, 1, 10}, body, []byte{0})
	}
	entries := within(synthetic(1), bytes.Repeat([]byte{abBase, 0}, maxTreeFields/2+1)) // of one field each
	if _, err := entries.scopes(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("many entries: %v, want %v", err, ErrTooLarge)
	}
	// Attributes of the form flag_present take no byte of .debug_info.
	flags := synthetic(1)
	const ab, fields = abSharedLocal + 1, 1000
	flags.abbrev = append(flags.abbrev[:len(flags.abbrev)-1], ab, 0x34, 0)
	flags.abbrev = append(append(flags.abbrev, bytes.Repeat([]byte{0x3f, 0x19}, fields)...), 0, 0, 0)
	if _, err := within(flags, bytes.Repeat([]byte{ab}, maxTreeFields/fields+1)).scopes(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("many fields: %v, want %v", err, ErrTooLarge)
	}
	rows := synthetic(1)
	program := bytes.Repeat([]byte{0x21, 0x1f}, maxUnitRows/2+1) // special opcodes: one line on, one line back
	rows.line = append(rows.line[:len(rows.line)-3], program...)
	rows.line = append(rows.line, 0, 1, 1)
	binary.LittleEndian.PutUint32(rows.line, uint32(len(rows.line)-4))
	if _, err := rows.scopes(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("many rows: %v, want %v", err, ErrTooLarge)
	}
}

func TestLongNames(t *testing.T) {
	t.Parallel()
	names := indexScan{inlineScan: inlineScan{functions: newInlinedFunctions(), files: newFiles()}, memory: newAllowance(0)}
	if err := names.checkSize(maxNameBytes); err != nil {
		t.Error(err)
	}
	if err := names.checkSize(1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("long names: %v, want %v", err, ErrTooLarge)
	}
}

// Entries can share a long name, so each is bounded, and so is their sum in types and in a
// scope.
func TestSharedNames(t *testing.T) {
	t.Parallel()
	const long, rows = 32 << 10, 250
	shared := func(abbrev byte, rest ...byte) []byte { return append([]byte{abbrev, 0, 0, 0, 0}, rest...) }
	many := func(count int, entry []byte) []byte { return bytes.Repeat(entry, count) }
	members := func(count int) []byte {
		return slices.Concat([]byte{abStruct, 'p', '.', 'T', 0, goKindStruct}, many(count, shared(abSharedMember)), []byte{0})
	}
	localsFrom := func(first, count int) []byte {
		var all []byte
		for i := range count { // each with its own name, which is a byte shorter than the one before
			all = append(binary.LittleEndian.AppendUint32(append(all, abSharedLocal), uint32(first+i)), 1, opReg0)
		}
		return concrete("p.H", 0x1000, 250, all)
	}
	locals := func(count int) []byte { return localsFrom(0, count) }
	instances := func(step int) []byte {
		var all []byte
		for i := range 4 {
			all = append(all, localsFrom(i*step, maxScopeBytes/long/2)...)
		}
		return all
	}
	for name, tt := range map[string]struct {
		length  int
		entries []byte
		want    error
	}{
		"a long type":     {maxNameLength, shared(abSharedType, goKindStruct, 0), nil},
		"too long a type": {maxNameLength + 1, shared(abSharedType, goKindStruct, 0), ErrTooLarge},
		"a long member":   {maxNameLength + 1, members(1), ErrTooLarge},
		"a long variable": {maxNameLength + 1, locals(1), ErrTooLarge},
		"types":           {long, many(maxNameBytes/long/16, shared(abSharedType, goKindStruct, 0)), nil},
		"many types":      {long, many(maxNameBytes/long+1, shared(abSharedType, goKindStruct, 0)), ErrTooLarge},
		"members":         {long, members(maxScopeBytes / long / 16), nil},
		"many members":    {long, members(maxScopeBytes / long), ErrTooLarge},
		"variables":       {long, locals(maxScopeBytes / long / 16), nil},
		"many variables":  {long, locals(maxScopeBytes/long + 100), ErrTooLarge},
		"instances":       {long, instances(0), nil},
		"many instances":  {long, instances(maxScopeBytes / long / 2), ErrTooLarge},
	} {
		s := synthetic(1).withRows(rows).with(tt.entries)
		s.str = append([]byte("p."), bytes.Repeat([]byte{'x'}, tt.length-2)...)
		if !strings.Contains(name, "type") {
			copy(s.str, "xx")
		}
		s.str = append(s.str, 0)
		if _, err := s.scopes(); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// All variables of a function can have all of its lines.
func TestLinesOfManyVariables(t *testing.T) {
	t.Parallel()
	const rows = 250
	for count, want := range map[int]error{1000: nil, maxScopeBytes / rangeBytes / rows: ErrTooLarge} {
		var locals []byte
		for i := range count {
			locals = append(binary.LittleEndian.AppendUint32(append(locals, abSharedLocal), uint32(i)), 1, opReg0)
		}
		s := synthetic(1).withRows(rows).with(concrete("p.H", 0x1000, rows, locals))
		s.str = append(bytes.Repeat([]byte{'x'}, count), 0)
		if _, err := s.scopes(); !errors.Is(err, want) {
			t.Errorf("%d variables in %d lines: %v, want %v", count, rows, err, want)
		}
	}
}

// The fields of a line table's header are skipped by their forms, each with its own length.
func TestFormsOfLineTable(t *testing.T) {
	t.Parallel()
	for form, text := range map[uint64]string{
		0x0b: "1", 0x05: "12", 0x06: "1234", 0x07: "12345678", 0x1e: "0123456789abcdef", // data1 to data16
		0x25: "1", 0x26: "12", 0x27: "123", 0x28: "1234", // strx1 to strx4
		formString: "path\x00", formBlock: "\x03abc", formUdata: "\x80\x01", formStrx: "\x80\x01",
		formStrp: "1234", formLineStrp: "1234", formStrpSup: "1234",
	} {
		for _, wide := range []bool{false, true} {
			content := text
			if wide && (form == formStrp || form == formLineStrp || form == formStrpSup) {
				content += "5678"
			}
			for _, missing := range []int{0, 1} {
				le := binary.LittleEndian
				body := le.AppendUint16(nil, 5)
				body = append(body, 8, 0)
				body = append(body, make([]byte, map[bool]int{false: 4, true: 8}[wide])...)
				body = append(body, "\x01\x01\x01\xfb\x0e\x03\x00\x01"...) // an opcode base of 3
				body = append(body, 1, 1, byte(form), 2)                   // two directories
				body = append(body, content+content+"\x00\x00"...)         // no files
				body = body[:len(body)-missing]
				file := le.AppendUint32(nil, uint32(len(body)))
				if wide {
					file = le.AppendUint64(le.AppendUint32(nil, wideLength), uint64(len(body)))
				}
				r := lineHeader{fieldReader{locationReader{rest: append(file, body...), order: le}}, &debugSections{}}
				err := r.check("")
				if failed := err != nil || r.failed; failed != (missing > 0) || len(r.rest) > 0 {
					t.Errorf("form %#x, wide %v, %d bytes missing: %v, %d bytes left, want a failure: %v", form, wide, missing, err, len(r.rest), missing > 0)
				}
			}
		}
	}
}
