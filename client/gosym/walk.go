package gosym

import (
	"debug/dwarf"
	"fmt"
	"slices"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// walk is one iteration over all packages. Concurrent walks share only what they do not
// change.
type walk struct {
	dwarf     *debugInfo
	locations *locations
	index     *index
	reader    *entryReader
	types     typeNames
	tables    lineTables
	pcs       [][2]uint64
	// runs is a stack: the code of a function, then of the nested blocks being read.
	runs []run
	// pkg is the package whose scope is being built.
	pkg *packageIndex
}

func newWalk(obj *object, ix *index, check *checkpoint) *walk {
	return &walk{
		dwarf:     obj.dwarf,
		locations: &obj.locations,
		index:     ix,
		reader:    obj.dwarf.reader(check),
		types:     typeNames{reader: obj.dwarf.reader(check), names: map[dwarf.Offset]string{}},
		tables:    lineTables{dwarf: obj.dwarf, units: ix.units, files: ix.scan.files, tables: map[int]*lineTable{}, check: check},
	}
}

// packageScope builds the scope of a package, and yields it in parts of at most maxBytes
// of protobuf, or whole if that is 0. more is false once yield returns false.
func (w *walk) packageScope(
	e *packageEntry, agentVersion string, maxBytes int, yield func(*symdbv1.Scope) bool,
) (more bool, err error) {
	p := w.index.expand(e)
	w.pkg = p
	out := &parts{maxBytes: maxBytes, yield: yield, root: func() *symdbv1.Scope {
		scope := &symdbv1.Scope{ScopeType: scopePackage, Name: new(p.name)}
		if agentVersion != "" {
			scope.LanguageSpecifics = &symdbv1.LanguageSpecifics{AgentVersion: new(agentVersion)}
		}
		return scope
	}}
	out.pkg = out.root()
	if err := w.children(p, out); err != nil {
		return false, fmt.Errorf("package %s: %w", p.name, err)
	}
	return !out.stopped && yield(out.pkg), nil
}

// children adds the functions and types of a package.
func (w *walk) children(p *packageIndex, out *parts) error {
	for i := range p.functions {
		f, err := w.function(&p.functions[i], scopeFunction)
		if err != nil || !out.add(f) {
			return err
		}
	}
	for i := range p.types {
		if err := w.typeScope(&p.types[i], out); err != nil || out.stopped {
			return err
		}
	}
	return nil
}

// maxTableBytes bounds the line tables that lineTables caches, except for the one in use.
const maxTableBytes = 256 << 10

// maxScratchRows is the largest buffer of rows that is kept.
const maxScratchRows = 1 << 15

// lineTables reads line tables and caches the last ones.
type lineTables struct {
	dwarf  *debugInfo
	units  []unit
	files  *files
	tables map[int]*lineTable
	check  *checkpoint
	recent []int
	bytes  int
	// rows is the buffer for the rows of one table.
	rows []row
}

// table returns the line table of a unit, by the unit's number, with the rows for some
// ranges. They are valid until the next call.
func (l *lineTables) table(number int, ranges [][2]uint64) (*lineTable, error) {
	t, ok := l.tables[number]
	if !ok {
		var err error
		if t, err = readLineTable(l.dwarf, &l.units[number], l.rows, l.check); err != nil {
			return nil, err
		}
		for i, path := range t.files {
			t.files[i] = l.files.known(path)
		}
		l.rows = t.rows
		l.cache(number, t)
	}
	t.rows = l.rows
	if err := t.load(ranges); err != nil {
		return nil, fmt.Errorf("read line table of %s: %w", l.units[number].name, err)
	}
	if l.rows = t.rows; cap(l.rows) > maxScratchRows {
		l.rows = nil
	}
	return t, nil
}

// cache adds a table, and drops the oldest ones if there are too many.
func (l *lineTables) cache(number int, t *lineTable) {
	for len(l.recent) > 0 && l.bytes+t.bytes() > maxTableBytes {
		oldest := l.recent[0]
		l.bytes -= l.tables[oldest].bytes()
		delete(l.tables, oldest)
		l.recent = slices.Delete(l.recent, 0, 1)
	}
	l.tables[number] = t
	l.recent = append(l.recent, number)
	l.bytes += t.bytes()
}

// bytes returns about how much memory a table takes.
func (t *lineTable) bytes() int {
	return 200 + 24*cap(t.sequences) + 4*cap(t.declared) + 16*cap(t.files)
}
