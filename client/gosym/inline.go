package gosym

import (
	"debug/dwarf"
	"fmt"
)

// inlined combines all inlined copies of a function.
type inlined struct {
	file   string
	lines  []span
	values []values
	// mixed means that copies have code from several files, due to //line directives.
	mixed bool
}

// values are the lines where a variable has a value.
type values struct {
	// variable is the variable's abstract entry.
	variable dwarf.Offset
	lines    []span
}

// valueLines returns the lines where the variable with that abstract entry has a value.
func (f *inlined) valueLines(variable dwarf.Offset) []span {
	for i := range f.values {
		if f.values[i].variable == variable {
			return f.values[i].lines
		}
	}
	return nil
}

// add adds lines where the variable with that abstract entry has a value.
func (f *inlined) add(variable dwarf.Offset, lines []span) {
	for i := range f.values {
		if v := &f.values[i]; v.variable == variable {
			v.lines = union(v.lines, lines)
			return
		}
	}
	f.values = append(f.values, values{variable, lines})
}

// inlineScan scans inlined calls, a unit at a time.
type inlineScan struct {
	dwarf     *debugInfo
	locations *locations
	functions map[dwarf.Offset]*inlined
	check     *checkpoint

	unit  *unit
	table *lineTable
	rows  []row
	runs  []run
	pcs   [][2]uint64
	// files interns the paths of files, of which every unit has its own copies.
	files map[string]string
}

// maxCallRanges bounds the PC ranges of the inlined calls in a function. Calls can
// share a list, so that few bytes of DWARF have many ranges.
const maxCallRanges = 1 << 18

// calls records the inlined calls below n, at any depth, and returns the PC ranges
// of the outermost ones.
func (s *inlineScan) calls(n node) ([][2]uint64, error) {
	var outer [][2]uint64
	for child := range n.children() {
		var ranges [][2]uint64
		var err error
		switch child.entry().tag {
		case dwarf.TagInlinedSubroutine:
			ranges, err = s.call(child)
		case dwarf.TagLexDwarfBlock:
			ranges, err = s.calls(child)
		default:
		}
		if err != nil {
			return nil, err
		}
		if outer = append(outer, ranges...); len(outer) > maxCallRanges {
			return nil, fmt.Errorf("%w: inlined calls with more than %d PC ranges in a function", ErrTooLarge, maxCallRanges)
		}
	}
	return outer, nil
}

// call records an inlined call and those inside it, and returns its PC ranges.
func (s *inlineScan) call(n node) ([][2]uint64, error) {
	e := n.entry()
	ranges, err := s.dwarf.ranges(nil, e)
	if err != nil {
		return nil, fmt.Errorf("read PC ranges of entry at %#x: %w", e.offset, err)
	}
	inner, err := s.calls(n)
	if err != nil {
		return nil, err
	}
	if e.has&hasOrigin == 0 {
		return ranges, nil
	}
	f := s.functions[e.origin]
	if f == nil {
		f = &inlined{}
		s.functions[e.origin] = f
	}
	s.runs = s.table.runs(s.runs[:0], sortRanges(ranges), sortRanges(inner))
	file := mainFile(s.runs)
	name := s.fileName(file)
	if f.file == "" {
		f.file = name
	}
	if name == "" || name != f.file {
		f.mixed = f.mixed || name != ""
		return ranges, nil
	}
	runs := inFile(s.runs, file)
	f.mixed = f.mixed || len(runs) < len(s.runs)
	f.lines = union(f.lines, linesOf(runs))
	s.variables(f, n, runs)
	return ranges, nil
}

// fileName returns the path of a file of the unit, or "" for -1.
func (s *inlineScan) fileName(file int32) string {
	name := s.table.fileName(file)
	if one, ok := s.files[name]; ok {
		return one
	}
	s.files[name] = name
	return name
}

// variables records where the variables of an inlined call have a value.
func (s *inlineScan) variables(f *inlined, n node, runs []run) {
	for child := range n.children() {
		e := child.entry()
		if e.tag == dwarf.TagLexDwarfBlock {
			s.variables(f, child, runs)
			continue
		}
		if e.has&hasOrigin == 0 || !e.isVariable() {
			continue
		}
		var lines []span
		lines, s.pcs = s.locations.lines(e, s.unit, runs, s.pcs)
		if len(lines) > 0 {
			f.add(e.origin, lines)
		}
	}
}

// lines returns the lines of a block's code where a debugger that stops on them finds
// the variable's value. It may use buf for PC ranges, and returns it.
func (l *locations) lines(e *entry, u *unit, block []run, buf [][2]uint64) ([]span, [][2]uint64) {
	switch {
	case e.has&hasExpression != 0:
		if !complete(e.expression) {
			return nil, buf
		}
		buf = append(buf[:0], [2]uint64{0, ^uint64(0)})
		return stopsIn(block, buf), buf
	case e.has&hasList != 0:
		buf = sortRanges(l.list(buf[:0], u, e.list))
		return stopsIn(block, buf), buf
	}
	return nil, buf
}
