package gosym

import (
	"bytes"
	"debug/dwarf"
	"errors"
	"testing"
)

var errStop = errors.New("stop")

// stopping is a checkpoint that stops at the next unit of work.
func stopping() *checkpoint {
	return &checkpoint{check: func() error { return errStop }, work: workPerCheck - 1}
}

// Loops whose length a file of few bytes can multiply can be stopped.
func TestLoopsStop(t *testing.T) {
	t.Parallel()
	const many = 2 * shortSteps
	functions := func() (*inlinedFunctions, *inlined) {
		l := newInlinedFunctions()
		f := l.add(1)
		for i := range dwarf.Offset(many) {
			if err := l.addValue(f, i, []span{{1, 1}}, unchecked()); err != nil {
				t.Error(err)
			}
		}
		return l, f
	}
	scan := func(check *checkpoint) *indexScan {
		s := &indexScan{inlineScan: inlineScan{
			dwarf: &debugInfo{}, functions: newInlinedFunctions(), files: newFiles(), check: check,
		}}
		s.instances.add()
		return s
	}
	declared := declarations{{line: 1}}
	copied := literal{name: "p.A.B.func1", prefixBytes: 2, aroundBytes: 3, isCopy: true}
	code := make([]run, many)
	for i := range code {
		code[i] = run{lo: uint64(i), hi: uint64(i + 1), line: 1, stop: true}
	}
	for name, read := range map[string]func(check *checkpoint) error{
		"the variables of inlined calls": func(check *checkpoint) error {
			l, f := functions()
			return l.addValue(f, many, []span{{1, 1}}, check)
		},
		"the lines of a variable": func(check *checkpoint) error {
			l, f := functions()
			_, err := l.valueLines(f, many, check)
			return err
		},
		"the stops in code": func(check *checkpoint) error {
			e := &entry{has: hasExpression, expression: []byte{opReg0}}
			_, _, err := (&locations{}).lines(e, &unit{}, code, nil, check)
			return err
		},
		"sequences that overlap": func(check *checkpoint) error {
			rows := &lineRows{check: check, sequences: make([]sequence, many)}
			_, err := rows.load([][2]uint64{{1, 2}})
			return err
		},
		"the code of a block": func(check *checkpoint) error {
			return (&walk{check: check}).mayNest(code)
		},
		"the first entries of units": func(check *checkpoint) error {
			s := synthetic(1)
			_, err := newDebugInfo(s.info, func(name string) ([]byte, error) {
				return map[string][]byte{"abbrev": s.abbrev, "addr": s.addr}[name], nil
			}, check)
			return err
		},
		"variables of two instances": func(check *checkpoint) error {
			one, other := &block{variables: make([]variable, many)}, &block{variables: make([]variable, many)}
			one.unite(one, other, false, check)
			return check.err
		},
		"blocks of two instances": func(check *checkpoint) error {
			one, other := &block{}, &block{blocks: []*block{{variables: make([]variable, 1)}}}
			one.unite(one, other, false, check)
			return check.err
		},
		"the instances of a package": func(check *checkpoint) error {
			_, err := (&index{scan: scan(check)}).expand(&packageEntry{instances: []int32{0}}, check)
			return err
		},
		"functions on a line": func(check *checkpoint) error {
			_, _, _, err := scan(check).functionAt(declared, literalKey{line: 1})
			return err
		},
		"functions of a directory": func(check *checkpoint) error {
			_, err := scan(check).packageAt(declared, "")
			return err
		},
		"the functions around a literal": func(check *checkpoint) error {
			return scan(check).findLate([]literal{copied})
		},
		"names that are taken": func(check *checkpoint) error {
			_, err := scan(check).home(&copied, declared, nil)
			return err
		},
	} {
		check := stopping()
		if err := read(check); !errors.Is(err, errStop) {
			t.Errorf("%s: %v, want %v", name, err, errStop)
		}
	}
}

// Strings outside of .debug_info, of which each entry looks for the end, are bounded.
func TestLongStrings(t *testing.T) {
	t.Parallel()
	long := append(bytes.Repeat([]byte{'x'}, maxTextLength+1), 0)
	if text, err := textAt(long, 1); err != nil || len(text.bytes) != maxTextLength {
		t.Errorf("%d bytes: %d, %v, want all", maxTextLength, len(text.bytes), err)
	}
	if _, err := textAt(long, 0); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d bytes: %v, want %v", maxTextLength+1, err, ErrTooLarge)
	}
	if got := textLength(long, 0); got <= maxLinePathBytes {
		t.Errorf("such a path counts as %d bytes, want more than %d", got, maxLinePathBytes)
	}
	if complete(bytes.Repeat([]byte{opReg0}, maxExpressionBytes+1)) {
		t.Error("a long expression is complete, want not")
	}
}

// Nested blocks each have the code in them.
func TestCodeOfNestedBlocks(t *testing.T) {
	t.Parallel()
	w := &walk{check: unchecked(), runs: make([]run, maxUnitRows)}
	if err := w.mayNest(nil); err != nil {
		t.Error(err)
	}
	w.runs = make([]run, maxUnitRows+1)
	if err := w.mayNest(nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d runs: %v, want %v", len(w.runs), err, ErrTooLarge)
	}
}

// The file of a function is that of the first code on its line, or after it, unless the file
// also has code before it.
func TestDeclaringFile(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		runs []run
		want int32
	}{
		"on the line":    {[]run{{line: 3, file: 1}, {line: 5, file: 2}}, 2},
		"after it":       {[]run{{line: 9, file: 1}, {line: 6, file: 2}, {line: 7, file: 3}}, 2},
		"before it too":  {[]run{{line: 6, file: 2}, {line: 7, file: 3}, {line: 4, file: 2}}, 3},
		"only before it": {[]run{{line: 1, file: 2}, {line: 2, file: 1}, {line: 3, file: 1}}, 1},
	} {
		if got := declaringFile(tt.runs, 5); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}
