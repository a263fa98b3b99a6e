package gosym

import (
	"bytes"
	"debug/dwarf"
	"fmt"
	"strings"
)

// scanned is an instance of a function that the scan found. There are as many as functions
// in the program, so it has no strings.
type scanned struct {
	concrete, abstract dwarf.Offset
	// name is the linker's, empty until it is known.
	name text
	// file and line are where the function begins. The file is empty if only inlined
	// copies have it.
	file fileNumber
	line int32
	// unit is the index of the unit with the code, lastLine the last line with code
	// of the function itself.
	unit, lastLine int32
	rows           sequencePlace
	is             traits
}

// traits are properties of a scanned instance.
type traits uint8

const (
	// withCode means that there is a concrete entry, withAbstract an abstract one.
	withCode traits = 1 << iota
	withAbstract
	// trampoline means that the compiler marked the function as a wrapper. It marks
	// functions that it makes, those that call a generic function with a dictionary,
	// and a few of the runtime.
	trampoline
	byCgo
	// wrapper, first and twin are those of instance.
	wrapper
	first
	twin
)

// instances are a list that grows without being copied.
type instances struct {
	chunks [][]scanned
	count  int
	// frozen is the whole list once it is complete. It may be in a file, and can't be
	// changed. late are the traits found afterward.
	frozen []scanned
	late   []traits
}

const instanceChunk = 1 << 10

// add appends an empty instance and returns its index.
func (l *instances) add() int {
	if l.count%instanceChunk == 0 {
		l.chunks = append(l.chunks, make([]scanned, instanceChunk))
	}
	l.count++
	return l.count - 1
}

// at returns the instance at an index.
func (l *instances) at(i int) *scanned {
	if l.frozen != nil {
		return &l.frozen[i]
	}
	return &l.chunks[i/instanceChunk][i%instanceChunk]
}

// freeze completes the list. If it can, it moves it to the spool's file.
func (l *instances) freeze(s *spool, check *checkpoint) error {
	if l.count == 0 {
		return nil
	}
	l.chunks[len(l.chunks)-1] = l.chunks[len(l.chunks)-1][:(l.count-1)%instanceChunk+1]
	l.late = make([]traits, l.count)
	frozen, err := freeze(s, check, l.chunks...)
	if err != nil {
		return err
	}
	l.frozen, l.chunks = frozen, nil
	return nil
}

// mark adds traits to an instance of the frozen list.
func (l *instances) mark(i int32, is traits) { l.late[i] |= is }

// instance returns the part of an instance that building a scope needs.
func (l *instances) instance(i int32) instance {
	s := l.at(int(i))
	is := s.is | l.late[i]
	return instance{
		concrete: s.concrete, abstract: s.abstract,
		hasCode: is&withCode != 0, hasAbstract: is&withAbstract != 0,
		wrapper: is&wrapper != 0, first: is&first != 0, twin: is&twin != 0,
		unit: s.unit, lastLine: s.lastLine, rows: s.rows,
	}
}

// text is a string in a section, by its offset. The highest bits say which section it is
// in. Sections have less than 2^30 bytes.
type text uint32

const textOffset text = 1<<30 - 1

// textOf returns where the name of an entry is. The empty string is at 0, where the
// sections have none.
func (d *debugInfo) textOf(name string) text {
	if name == "" {
		return 0
	}
	for i, section := range d.texts() {
		if at, ok := offsetIn(section, name); ok {
			return text(i)<<30 | text(at)
		}
	}
	return 0
}

// texts are the sections with names.
func (d *debugInfo) texts() [3][]byte {
	return [...][]byte{d.sections.info, d.sections.str, d.sections.lineStr}
}

// text returns the string at t, which is valid as long as the section is.
func (d *debugInfo) text(t text) string {
	if t == 0 {
		return ""
	}
	rest := d.texts()[t>>30][t&textOffset:]
	return view(rest[:bytes.IndexByte(rest, 0)])
}

// textBegins reports whether the string at t begins with a prefix.
func (d *debugInfo) textBegins(t text, prefix string) bool {
	if t == 0 {
		return prefix == ""
	}
	rest := d.texts()[t>>30][t&textOffset:]
	return len(rest) >= len(prefix) && string(rest[:len(prefix)]) == prefix
}

// fileNumber is a path in files.
type fileNumber int32

// files are the paths of all files, each once, from 1 on: every unit has its own copies.
type files struct {
	paths   []string
	numbers map[string]fileNumber
	// bytes is approximately how much memory they take.
	bytes int
	// inTables is how many files all line tables have.
	inTables int
}

// maxPathBytes bounds the memory of all paths: they can share a long directory.
const maxPathBytes = 64 << 20

func newFiles() *files { return &files{paths: []string{""}, numbers: map[string]fileNumber{"": 0}} }

// number returns the number of a path, which it adds if it is new.
func (f *files) number(path string) (fileNumber, error) {
	n, ok := f.numbers[path]
	if ok {
		return n, nil
	}
	const entryBytes = 50
	if f.bytes += len(path) + entryBytes; f.bytes > maxPathBytes {
		return 0, fmt.Errorf("%w: paths of more than %d bytes", ErrTooLarge, maxPathBytes)
	}
	path = strings.Clone(path) // package dwarf may return a part of a section
	n = fileNumber(len(f.paths))
	f.paths = append(f.paths, path)
	f.numbers[path] = n
	return n, nil
}

func (f *files) path(n fileNumber) string { return f.paths[n] }
