package gosym

import (
	"slices"
	"testing"
)

// A variable has the lines of all copies that were inlined.
func TestValuesOfInlinedCopies(t *testing.T) {
	t.Parallel()
	l := newInlinedFunctions()
	f := l.add(100)
	l.addValue(f, 1, []span{{10, 12}})
	l.addValue(f, 2, []span{{11, 11}})
	l.addValue(f, 1, []span{{12, 13}, {20, 20}})
	if got, want := l.valueLines(f, 1), []span{{10, 13}, {20, 20}}; !slices.Equal(got, want) {
		t.Errorf("lines of the first variable: %v, want %v", got, want)
	}
	if got, want := l.valueLines(f, 2), []span{{11, 11}}; !slices.Equal(got, want) {
		t.Errorf("lines of the second variable: %v, want %v", got, want)
	}
	if got := l.valueLines(f, 3); got != nil {
		t.Errorf("lines of another variable: %v, want none", got)
	}
}
