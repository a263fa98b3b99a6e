package encode

import (
	"hash/crc32"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestJoinSums(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		bytes := rapid.SliceOfN(rapid.Byte(), 0, 5000)
		a, b := bytes.Draw(t, "a"), bytes.Draw(t, "b")
		got := joinSums(crc32.ChecksumIEEE(a), crc32.ChecksumIEEE(b), int64(len(b)))
		if want := crc32.ChecksumIEEE(slices.Concat(a, b)); got != want {
			t.Errorf("got %08x, want %08x", got, want)
		}
	})
}

// Of more bytes than fit into memory it is known that they can be joined one after
// the other as well.
func TestJoinSumsOfLongInput(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sum := rapid.Uint32()
		a, b, c := sum.Draw(t, "a"), sum.Draw(t, "b"), sum.Draw(t, "c")
		length := rapid.Int64Range(0, 1<<40)
		bBytes, cBytes := length.Draw(t, "length of b"), length.Draw(t, "length of c")
		got := joinSums(joinSums(a, b, bBytes), c, cBytes)
		if want := joinSums(a, joinSums(b, c, cBytes), bBytes+cBytes); got != want {
			t.Errorf("(a b) c: %08x, a (b c): %08x, want %v", got, want, want)
		}
	})
}

func BenchmarkJoinSums(b *testing.B) {
	for b.Loop() {
		joinSums(1, 2, 20<<20)
	}
}
