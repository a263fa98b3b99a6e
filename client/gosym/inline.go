package gosym

import (
	"cmp"
	"debug/dwarf"
	"fmt"
	"slices"
)

// inlined combines all inlined copies of a function.
type inlined struct {
	// abstract is the function's abstract entry.
	abstract dwarf.Offset

	file  fileNumber
	lines lineSet
	// values is the index of the first of its values, or 0.
	values int32
	// mixed means that copies have code from several files, due to //line directives.
	mixed bool
}

// values are the lines where a variable has a value.
type values struct {
	// variable is the variable's abstract entry.
	variable dwarf.Offset
	// next is the index of the function's next values, or 0.
	next  int32
	lines lineSet
}

// inlinedFunctions are the functions that were inlined, by their abstract entry.
type inlinedFunctions struct {
	// numbers are the indexes of functions, until they are frozen.
	numbers map[dwarf.Offset]int32
	// functions are sorted by their abstract entry once they are frozen.
	functions []inlined
	// values are those of all functions, from 1 on.
	values []values
	wide   wideSets
	// wideSpans is for how many spans the wide sets have memory.
	wideSpans int
}

const (
	// maxWideSpans bounds the spans of all wide sets. Many calls can share the rows of a
	// function, and each of their variables too. The compiler has 6,000.
	maxWideSpans = 1 << 21
	// maxValues bounds the variables of all inlined functions. The compiler has 10,000.
	maxValues = 1 << 22
)

func newInlinedFunctions() *inlinedFunctions {
	return &inlinedFunctions{numbers: map[dwarf.Offset]int32{}, values: make([]values, 1)}
}

// find returns the function with that abstract entry, or nil. It is valid until the next
// call of add.
func (l *inlinedFunctions) find(abstract dwarf.Offset) *inlined {
	i, ok := l.numbers[abstract]
	if l.numbers == nil {
		n, found := slices.BinarySearchFunc(l.functions, abstract, func(f inlined, abstract dwarf.Offset) int {
			return cmp.Compare(f.abstract, abstract)
		})
		i, ok = int32(n), found
	}
	if !ok {
		return nil
	}
	return &l.functions[i]
}

// freeze completes the functions. If it can, it moves them to the spool's file.
func (l *inlinedFunctions) freeze(s *spool, check *checkpoint) (err error) {
	l.numbers = nil
	slices.SortFunc(l.functions, func(a, b inlined) int { return cmp.Compare(a.abstract, b.abstract) })
	if l.functions, err = freeze(s, check, l.functions); err != nil {
		return err
	}
	l.values, err = freeze(s, check, l.values)
	return err
}

// add returns the function with that abstract entry, which it adds if it is new.
func (l *inlinedFunctions) add(abstract dwarf.Offset) *inlined {
	i, ok := l.numbers[abstract]
	if !ok {
		i = int32(len(l.functions))
		l.functions = append(l.functions, inlined{abstract: abstract})
		l.numbers[abstract] = i
	}
	return &l.functions[i]
}

// ends returns the first and the last line with code of f. ok is false if there is none.
func (l *inlinedFunctions) ends(f *inlined) (first, last int32, ok bool) {
	if f == nil || f.lines.isEmpty() {
		return 0, 0, false
	}
	first, last = l.wide.ends(f.lines)
	return first, last, true
}

// lines returns the lines with code of f.
func (l *inlinedFunctions) lines(f *inlined) []span { return l.wide.spans(f.lines) }

// valueLines returns the lines where the variable with that abstract entry has a value.
func (l *inlinedFunctions) valueLines(f *inlined, variable dwarf.Offset, check *checkpoint) ([]span, error) {
	steps := 0
	for i := f.values; i > 0; i = l.values[i].next {
		steps++
		if v := &l.values[i]; v.variable == variable {
			lines := l.wide.spans(v.lines)
			return lines, check.pass((steps + len(lines)) / shortSteps)
		}
	}
	return nil, check.pass(steps / shortSteps)
}

// addLines adds lines to a set of lines.
func (l *inlinedFunctions) addLines(set *lineSet, lines []span) error {
	if l.wideSpans += l.wide.add(set, lines); l.wideSpans > maxWideSpans {
		return fmt.Errorf("%w: inlined functions with more than %d spans of lines", ErrTooLarge, maxWideSpans)
	}
	return nil
}

// addValue adds lines where the variable with that abstract entry has a value.
func (l *inlinedFunctions) addValue(f *inlined, variable dwarf.Offset, lines []span, check *checkpoint) error {
	at, steps := &f.values, 0
	for *at > 0 {
		steps++
		v := &l.values[*at]
		if v.variable == variable {
			break
		}
		at = &v.next
	}
	if err := check.pass((steps + len(lines)) / shortSteps); err != nil {
		return err
	}
	if *at > 0 {
		return l.addLines(&l.values[*at].lines, lines)
	}
	if len(l.values) > maxValues {
		return fmt.Errorf("%w: inlined functions with more than %d variables", ErrTooLarge, maxValues)
	}
	*at = int32(len(l.values))
	l.values = append(l.values, values{variable: variable})
	return l.addLines(&l.values[*at].lines, lines)
}

// inlineScan scans inlined calls, a unit at a time.
type inlineScan struct {
	dwarf     *debugInfo
	locations *locations
	functions *inlinedFunctions
	check     *checkpoint

	unit *unit
	// rows are those of the function being scanned.
	rows  *lineRows
	runs  []run
	pcs   [][2]uint64
	files *files
}

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
		outer = append(outer, ranges...)
		if err := mayAppend(outer, len(outer), s.check); err != nil {
			return nil, err
		}
	}
	return outer, nil
}

// call records an inlined call and those inside it, and returns its PC ranges.
func (s *inlineScan) call(n node) ([][2]uint64, error) {
	e := n.entry()
	ranges, err := s.dwarf.ranges(nil, e, s.check)
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
	f := s.functions.add(e.origin)
	s.runs = s.rows.runs(s.runs[:0], sortRanges(ranges), sortRanges(inner))
	if err := s.check.pass(len(s.runs) / shortSteps); err != nil {
		return nil, err
	}
	file := mainFile(s.runs)
	name := fileNumber(max(file, 0))
	if f.file == 0 {
		f.file = name
	}
	if name == 0 || name != f.file {
		f.mixed = f.mixed || name != 0
		return ranges, nil
	}
	runs := inFile(s.runs, file)
	f.mixed = f.mixed || len(runs) < len(s.runs)
	if err := s.functions.addLines(&f.lines, linesOf(runs)); err != nil {
		return nil, err
	}
	return ranges, s.variables(f, n, runs)
}

// variables records where the variables of an inlined call have a value.
func (s *inlineScan) variables(f *inlined, n node, runs []run) error {
	for child := range n.children() {
		e := child.entry()
		if e.tag == dwarf.TagLexDwarfBlock {
			if err := s.variables(f, child, runs); err != nil {
				return err
			}
			continue
		}
		if e.has&hasOrigin == 0 || !e.isVariable() {
			continue
		}
		var lines []span
		var err error
		if lines, s.pcs, err = s.locations.lines(e, s.unit, runs, s.pcs, s.check); err != nil {
			return err
		}
		if len(lines) == 0 {
			continue
		}
		if err := s.functions.addValue(f, e.origin, lines, s.check); err != nil {
			return err
		}
	}
	return nil
}

// lines returns the lines of a block's code where a debugger that stops on them finds
// the variable's value. It may use buf for PC ranges, and returns it.
func (l *locations) lines(
	e *entry, u *unit, block []run, buf [][2]uint64, check *checkpoint,
) ([]span, [][2]uint64, error) {
	switch {
	case e.has&hasExpression != 0:
		if !complete(e.expression) {
			return nil, buf, nil
		}
		buf = append(buf[:0], [2]uint64{0, ^uint64(0)})
	case e.has&hasList != 0:
		list, err := l.list(buf[:0], u, e.list, check)
		if err != nil {
			return nil, buf, err
		}
		buf = sortRanges(list)
	default:
		return nil, buf, nil
	}
	stops, seen := stopsIn(block, buf)
	return stops, buf, check.pass(seen / shortSteps)
}
