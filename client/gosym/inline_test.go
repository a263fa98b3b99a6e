package gosym

import (
	"debug/dwarf"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
)

// A variable has the lines of all copies that were inlined.
func TestValuesOfInlinedCopies(t *testing.T) {
	t.Parallel()
	l := newInlinedFunctions()
	f := l.add(100)
	for _, added := range []struct {
		variable dwarf.Offset
		lines    []span
	}{{1, []span{{10, 12}}}, {2, []span{{11, 11}}}, {1, []span{{12, 13}, {20, 20}}}} {
		if err := l.addValue(f, added.variable, added.lines, unchecked()); err != nil {
			t.Fatal(err)
		}
	}
	linesOf := func(variable dwarf.Offset) []span {
		lines, err := l.valueLines(f, variable, unchecked())
		if err != nil {
			t.Fatal(err)
		}
		return lines
	}
	if got, want := linesOf(1), []span{{10, 13}, {20, 20}}; !slices.Equal(got, want) {
		t.Errorf("lines of the first variable: %v, want %v", got, want)
	}
	if got, want := linesOf(2), []span{{11, 11}}; !slices.Equal(got, want) {
		t.Errorf("lines of the second variable: %v, want %v", got, want)
	}
	if got := linesOf(3); got != nil {
		t.Errorf("lines of another variable: %v, want none", got)
	}
}

// Each inlined call, and each of its variables, can have all lines of the function.
func TestLinesOfManyCalls(t *testing.T) {
	t.Parallel()
	const rows = 250
	for _, tt := range []struct {
		calls, variables int
		want             error
	}{
		{maxWideSpans / rows / 16, 0, nil},
		{maxWideSpans/rows + 1, 0, ErrTooLarge},
		{1, maxWideSpans / rows / 16, nil},
		{1, maxWideSpans/rows + 1, ErrTooLarge},
	} {
		var calls, variables []byte
		for i := range tt.variables {
			origin := binary.LittleEndian.AppendUint32([]byte{abArg}, uint32(i))
			variables = append(append(variables, origin...), 1, opReg0)
		}
		for i := range tt.calls {
			calls = append(calls, inlinedCall(uint32(i), 0x1000, rows, variables)...)
		}
		_, err := synthetic(1).withRows(rows).with(concrete("p.H", 0x1000, rows, calls)).scopes()
		if !errors.Is(err, tt.want) {
			t.Errorf("%d calls, each with %d variables: %v, want %v", tt.calls, tt.variables, err, tt.want)
		}
	}
}

// The memory of line sets counts.
func TestLineSetsAreCounted(t *testing.T) {
	t.Parallel()
	s := indexScan{inlineScan: inlineScan{functions: newInlinedFunctions(), files: newFiles()}}
	before := s.bytes()
	const sets, spans = 10, 1000
	var lines []span
	for i := range int32(spans) {
		lines = append(lines, span{2 * i, 2 * i})
	}
	for range sets {
		if err := s.functions.addLines(&lineSet{}, lines); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.bytes() - before; got < 8*sets*spans {
		t.Errorf("%d sets of %d spans count as %d bytes, want at least 8 a span", sets, spans, got)
	}
	f := s.functions
	f.values = make([]values, maxValues+1)
	if err := f.addValue(f.add(1), 2, lines[:1], unchecked()); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one value more than %d: %v, want %v", maxValues, err, ErrTooLarge)
	}
}
