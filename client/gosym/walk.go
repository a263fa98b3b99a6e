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
	reader    entryReader
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
		reader:    entryReader{obj.dwarf.Reader(), check},
		types:     typeNames{reader: obj.dwarf.Reader(), names: map[dwarf.Offset]string{}},
		tables:    lineTables{dwarf: obj.dwarf, units: ix.units, tables: map[int]*lineTable{}, check: check},
	}
}

// packageScope builds the scope of a package, and yields it in parts of at most maxBytes
// of protobuf, or whole if that is 0. more is false once yield returns false.
func (w *walk) packageScope(
	p *packageIndex, agentVersion string, maxBytes int, yield func(*symdbv1.Scope) bool,
) (more bool, err error) {
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

// maxTableRows bounds the rows that lineTables caches, of 16 bytes each, except for the
// table in use.
const maxTableRows = 1 << 19

// maxScratchRows is the largest table that is read into the reused buffer.
const maxScratchRows = 1 << 15

// lineTables reads line tables and caches the last ones.
type lineTables struct {
	dwarf  *debugInfo
	units  []unit
	tables map[int]*lineTable
	check  *checkpoint
	recent []int
	rows   int
	// scratch is the buffer for reading a table.
	scratch []row
}

// table returns the line table of a unit, by the unit's number.
func (l *lineTables) table(number int) (*lineTable, error) {
	if t, ok := l.tables[number]; ok {
		return t, nil
	}
	t, err := readLineTable(l.dwarf, &l.units[number], l.scratch, l.check)
	if err != nil {
		return nil, err
	}
	if l.scratch = nil; len(t.rows) <= maxScratchRows {
		l.scratch, t.rows = t.rows[:0], slices.Clone(t.rows)
	}
	for len(l.recent) > 0 && l.rows+len(t.rows) > maxTableRows {
		oldest := l.recent[0]
		l.rows -= len(l.tables[oldest].rows)
		delete(l.tables, oldest)
		l.recent = slices.Delete(l.recent, 0, 1)
	}
	l.tables[number] = t
	l.recent = append(l.recent, number)
	l.rows += len(t.rows)
	return t, nil
}
