package encode

import (
	"slices"
	"testing"
)

// Marks are packed and unpacked as they were, whatever their distances.
func TestPackedMarks(t *testing.T) {
	t.Parallel()
	for first := range 3 {
		for gap := 1; gap < 800; gap++ {
			marks := make([]uint64, 40)
			for at := first * 100; at < 64*len(marks); at += gap {
				marks[at/64] |= 1 << (at % 64)
			}
			got := make([]uint64, len(marks))
			if setMarks(got, appendMarks(nil, marks)); !slices.Equal(got, marks) {
				t.Fatalf("from %d on, every %d: other marks", first*100, gap)
			}
		}
	}
}
