package oracle

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
)

// Code has the source lines of a binary's machine code, by function. It is read
// from the tables with which the runtime prints tracebacks (.gopclntab),
// independently of the DWARF.
type Code struct {
	// functions has the lines by name and first line, for functions with their own
	// code and inlined ones. A line is false if only instructions without a source
	// position have it, such as padding: after inlined code, the table keeps its
	// line, but attributes it to the enclosing function.
	functions map[codeName]map[where]bool
	// compiled has the functions with their own code.
	compiled map[codeName]bool
}

// codeName is the linker's name of a function, with its type arguments as [...],
// and its first line, which distinguishes closures.
type codeName struct {
	name string
	line int32
}

// ReadCode reads the tables of an ELF binary.
func ReadCode(path string) (*Code, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read code of %s: %w", path, err)
	}
	defer f.Close()
	t, err := newTables(f)
	if err != nil {
		return nil, fmt.Errorf("read code of %s: %w", path, err)
	}
	code := &Code{functions: map[codeName]map[where]bool{}, compiled: map[codeName]bool{}}
	for i := range t.count {
		t.function(t.functab[8*i:], code)
	}
	return code, nil
}

// tables are the parts of .gopclntab since Go 1.20 (runtime/symtab.go).
type tables struct {
	order                                      binary.ByteOrder
	quantum                                    uint64
	count                                      int
	names, units, files, values, functab, data []byte
	collapsed                                  map[uint32]string
}

const magic = 0xfffffff1

func newTables(f *elf.File) (*tables, error) {
	section := f.Section(".gopclntab")
	if section == nil {
		section = f.Section(".data.rel.ro.gopclntab")
	}
	if section == nil {
		return nil, errors.New("no .gopclntab")
	}
	raw, err := section.Data()
	if err != nil {
		return nil, err
	}
	const headerBytes = 8 + 8*8
	if len(raw) < headerBytes || f.ByteOrder.Uint32(raw) != magic || raw[7] != 8 {
		return nil, errors.New(".gopclntab of another kind")
	}
	word := func(i int) uint64 { return f.ByteOrder.Uint64(raw[8+8*i:]) }
	t := &tables{
		collapsed: map[uint32]string{},
		order:     f.ByteOrder,
		quantum:   uint64(raw[6]),
		count:     int(word(0)),
		names:     raw[word(3):],
		units:     raw[word(4):],
		files:     raw[word(5):],
		values:    raw[word(6):],
		functab:   raw[word(7):],
	}
	symbols, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	for _, s := range symbols {
		if s.Name == "go:func.*" && section.Addr <= s.Value && s.Value < section.Addr+section.Size {
			t.data = raw[s.Value-section.Addr:]
		}
	}
	if t.data == nil {
		return nil, errors.New("no symbol go:func.*")
	}
	return t, nil
}

func (t *tables) text(table []byte, offset uint32) string {
	s, _, _ := bytes.Cut(table[offset:], []byte{0})
	return string(s)
}

// name returns the name of a function, with its type arguments as [...].
func (t *tables) name(offset uint32) string {
	name, ok := t.collapsed[offset]
	if !ok {
		name = collapse(t.text(t.names, offset))
		t.collapsed[offset] = name
	}
	return name
}

// Offsets in a function's record, and the numbers of its tables (internal/abi).
const (
	fieldName      = 1
	fieldFile      = 5
	fieldLine      = 6
	fieldPCData    = 7
	fieldUnit      = 8
	fieldStartLine = 9
	fieldFuncData  = 43 // a byte
	recordBytes    = 44
	pcdataInlTree  = 2
	funcdataInl    = 3
	inlinedBytes   = 16
)

// function records the lines of a function's code.
func (t *tables) function(entry []byte, code *Code) {
	record := t.functab[t.order.Uint32(entry[4:]):]
	field := func(i int) uint32 { return t.order.Uint32(record[4*i:]) }
	pcdata, funcdata := field(fieldPCData), uint32(record[fieldFuncData])
	own := codeName{t.name(field(fieldName)), int32(field(fieldStartLine))}
	code.compiled[own] = true
	file, line := newSteps(t, field(fieldFile)), newSteps(t, field(fieldLine))
	inlined := &steps{value: -1, end: ^uint64(0)}
	var calls []byte
	if pcdataInlTree < pcdata && funcdataInl < funcdata {
		offset := t.order.Uint32(record[recordBytes+4*(pcdata+funcdataInl):])
		if table := t.order.Uint32(record[recordBytes+4*pcdataInlTree:]); table != 0 && offset != ^uint32(0) {
			inlined, calls = newSteps(t, table), t.data[offset:]
		}
	}
	// before is the place of the preceding code, if that was inlined.
	var before where
	for pc := uint64(0); file.at(pc) && line.at(pc); pc = min(file.end, line.end, inlined.end) {
		name, isInlined := own, inlined.at(pc) && inlined.value >= 0
		if isInlined {
			call := calls[inlinedBytes*inlined.value:]
			name = codeName{t.name(t.order.Uint32(call[4:])), int32(t.order.Uint32(call[12:]))}
		}
		lines := code.functions[name]
		if lines == nil {
			lines = map[where]bool{}
			code.functions[name] = lines
		}
		at := where{line: line.value}
		if file.value >= 0 && line.value > 0 {
			at.file = t.file(field(fieldUnit), file.value)
			lines[at] = lines[at] || at != before
		}
		before = where{}
		if isInlined {
			before = at
		}
	}
}

// file returns the name of a file by its number in a unit.
func (t *tables) file(unit uint32, number int32) string {
	offset := t.order.Uint32(t.units[4*(unit+uint32(number)):])
	if offset == ^uint32(0) {
		return ""
	}
	return t.text(t.files, offset)
}

// steps reads a table of values for the PCs of a function.
type steps struct {
	rest    []byte
	quantum uint64
	value   int32
	// end is the first PC after those with the value.
	end   uint64
	first bool
}

func newSteps(t *tables, offset uint32) *steps {
	return &steps{rest: t.values[offset:], quantum: t.quantum, value: -1, first: true}
}

// at advances to the value of a PC. It returns false at the end of the table.
func (s *steps) at(pc uint64) bool {
	for s.end <= pc {
		delta, n := binary.Uvarint(s.rest)
		if delta == 0 && !s.first || n <= 0 {
			return false
		}
		s.first = false
		s.value += int32(delta>>1) ^ -int32(delta&1)
		width, m := binary.Uvarint(s.rest[n:])
		s.rest = s.rest[n+m:]
		s.end += width * s.quantum
	}
	return true
}
