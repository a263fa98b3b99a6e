package gosym

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSpansAgreeWithSets(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.Int32Range(1, 40)
		a := rapid.SliceOfN(line, 0, 30).Draw(t, "a")
		b := rapid.SliceOfN(line, 0, 30).Draw(t, "b")
		first := line.Draw(t, "first")
		both := slices.Concat(a, b)
		spansA, spansB := spansOf(a), spansOf(b)
		if got, want := union(spansA, spansB), spansOf(both); !slices.Equal(got, want) {
			t.Fatalf("union of %v and %v: %v, want %v", spansA, spansB, got, want)
		}
		if got, want := covers(spansA, spansB), !slices.ContainsFunc(b, func(x int32) bool {
			return !slices.Contains(a, x)
		}); got != want {
			t.Fatalf("%v covers %v: %v, want %v", spansA, spansB, got, want)
		}
		late := slices.DeleteFunc(slices.Clone(a), func(x int32) bool { return x < first })
		if got, want := from(spansA, first), spansOf(late); !slices.Equal(got, want) {
			t.Fatalf("%v from %d: %v, want %v", spansA, first, got, want)
		}
		bridged := bridge(spansB, spansOf(slices.Clone(both)))
		for x := range int32(41) {
			code := slices.Contains(both, x)
			if code && in(bridged, x) != slices.Contains(b, x) {
				t.Fatalf("%v bridged over %v: %v, want what is code to stay as it is", spansB, both, bridged)
			}
		}
		for i := range max(len(bridged), 1) - 1 {
			between := slices.ContainsFunc(both, func(x int32) bool {
				return bridged[i].last < x && x < bridged[i+1].first
			})
			if !between {
				t.Fatalf("%v over %v leaves a gap without code: %v", spansB, both, bridged)
			}
		}
	})
}

func in(spans []span, line int32) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.first <= line && line <= s.last })
}

func TestSubtractAgreesWithSets(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pcs := rapid.Custom(func(t *rapid.T) [2]uint64 {
			lo := rapid.Uint64Range(0, 40).Draw(t, "lo")
			return [2]uint64{lo, lo + rapid.Uint64Range(0, 10).Draw(t, "size")}
		})
		ranges := rapid.SliceOfN(pcs, 0, 8).Draw(t, "ranges")
		holes := rapid.SliceOfN(pcs, 0, 8).Draw(t, "holes")
		contains := func(ranges [][2]uint64, pc uint64) bool {
			return slices.ContainsFunc(ranges, func(r [2]uint64) bool { return r[0] <= pc && pc < r[1] })
		}
		left := subtract(sortRanges(slices.Clone(ranges)), sortRanges(slices.Clone(holes)))
		for pc := range uint64(60) {
			if got, want := contains(left, pc), contains(ranges, pc) && !contains(holes, pc); got != want {
				t.Fatalf("%v without %v: %v, wrong at %d", ranges, holes, left, pc)
			}
		}
	})
}
