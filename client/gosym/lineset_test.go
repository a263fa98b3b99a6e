package gosym

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A set of lines equals the union of its spans, whether it is narrow or wide.
func TestLineSetsAgreeWithSpans(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		last := rapid.SampledFrom([]int32{1, 5, 63, 64, 65, 66, 130, maxLine}).Draw(t, "last")
		lines := rapid.SliceOfN(rapid.Int32Range(max(1, last-130), last), 1, 8)
		var wide wideSets
		var set lineSet
		held := 0
		var want []span
		if !set.isEmpty() || wide.spans(set) != nil {
			t.Fatal("the zero set is not empty")
		}
		for _, added := range rapid.SliceOfN(lines, 1, 5).Draw(t, "added") {
			spans := spansOf(added)
			held += wide.add(&set, spans)
			want = union(want, spans)
			if got := wide.spans(set); !slices.Equal(got, want) {
				t.Fatalf("with %v: %v, want %v", spans, got, want)
			}
			if set.wide > 0 && held != cap(wide[0]) || set.wide == 0 && held != 0 {
				t.Fatalf("memory for %d spans, want as much as %v takes", held, wide)
			}
			first, end := wide.ends(set)
			if first != want[0].first || end != want[len(want)-1].last || set.isEmpty() {
				t.Fatalf("from %d to %d, want the ends of %v", first, end, want)
			}
		}
	})
}
