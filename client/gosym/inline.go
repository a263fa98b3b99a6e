package gosym

import (
	"debug/dwarf"
	"fmt"
)

// inlined is what all the inlined copies of a function have shown together.
type inlined struct {
	file  string
	lines []span
	// values has the lines where a variable has a value, by the offset of the
	// variable's abstract entry.
	values map[dwarf.Offset][]span
}

// inlineScan gathers inlined calls, a unit at a time.
type inlineScan struct {
	dwarf     *debugInfo
	locations *locations
	functions map[dwarf.Offset]*inlined

	unit  *unit
	table *lineTable
	rows  []row
	pcs   [][2]uint64
}

// calls notes the inlined calls below n, at any depth, and returns the PC ranges
// of those that are not inside another one.
func (s *inlineScan) calls(n node) ([][2]uint64, error) {
	var outer [][2]uint64
	for _, child := range n.nodes {
		var ranges [][2]uint64
		var err error
		switch child.Tag {
		case dwarf.TagInlinedSubroutine:
			ranges, err = s.call(child)
		case dwarf.TagLexDwarfBlock:
			ranges, err = s.calls(child)
		default:
		}
		if err != nil {
			return nil, err
		}
		outer = append(outer, ranges...)
	}
	return outer, nil
}

// call notes one inlined call, those inside it too, and returns its PC ranges.
func (s *inlineScan) call(n node) ([][2]uint64, error) {
	ranges, err := s.dwarf.Ranges(n.Entry)
	if err != nil {
		return nil, fmt.Errorf("read PC ranges of entry at %#x: %w", n.Offset, err)
	}
	inner, err := s.calls(n)
	if err != nil {
		return nil, err
	}
	origin, ok := n.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset)
	if !ok {
		return ranges, nil
	}
	f := s.functions[origin]
	if f == nil {
		f = &inlined{values: map[dwarf.Offset][]span{}}
		s.functions[origin] = f
	}
	s.rows = s.table.statements(s.rows[:0], subtract(sortRanges(ranges), sortRanges(inner)))
	file := mainFile(s.rows)
	name := s.table.fileName(file)
	if f.file == "" {
		f.file = name
	}
	if name == "" || name != f.file {
		return ranges, nil
	}
	rows := inFile(s.rows, file)
	f.lines = union(f.lines, linesOf(rows))
	s.variables(f, n, rows)
	return ranges, nil
}

// variables notes where the variables of an inlined call have a value.
func (s *inlineScan) variables(f *inlined, n node, rows []row) {
	for _, child := range n.nodes {
		if child.Tag == dwarf.TagLexDwarfBlock {
			s.variables(f, child, rows)
			continue
		}
		origin, ok := child.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset)
		if !ok || !isVariable(child.Entry) {
			continue
		}
		var lines []span
		lines, s.pcs = s.locations.lines(child.Entry, s.unit, rows, s.pcs)
		if len(lines) > 0 {
			f.values[origin] = union(f.values[origin], lines)
		}
	}
}

// lines are those where a variable has a value, among the rows of its block: all
// of them if its location is fixed, those that a location list covers if it
// changes. The buffer may be used for PC ranges, and is returned.
func (l *locations) lines(e *dwarf.Entry, u *unit, block []row, buf [][2]uint64) ([]span, [][2]uint64) {
	switch location := e.Val(dwarf.AttrLocation).(type) {
	case []byte:
		if len(location) == 0 {
			return nil, buf
		}
		return linesOf(block), buf
	case int64:
		buf = sortRanges(l.list(buf[:0], u, location))
		return linesAt(block, buf), buf
	}
	return nil, buf
}
