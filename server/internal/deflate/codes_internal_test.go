package deflate

import (
	"container/heap"
	"math/rand/v2"
	"testing"
)

// The tables of RFC 1951, section 3.2.5.
var (
	wantLengthBase = [...]int{
		3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
	}
	wantLengthExtra  = [...]int{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	wantDistanceBase = [...]int{
		1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193,
		12289, 16385, 24577,
	}
)

func TestLengthSymbols(t *testing.T) {
	t.Parallel()
	for length := 3; length <= maxMatch; length++ {
		want := len(wantLengthBase) - 1
		for wantLengthBase[want] > length {
			want--
		}
		got := lengthSymbols[length-3]
		if int(got.symbol) != want || int(got.base)+3 != wantLengthBase[want] || int(got.extra) != wantLengthExtra[want] {
			t.Errorf("length %d: %+v, want symbol %d, base %d, extra %d", length, got, want, wantLengthBase[want]-3, wantLengthExtra[want])
		}
	}
}

func TestDistanceSymbols(t *testing.T) {
	t.Parallel()
	for distance := 1; distance <= MaxWindow; distance++ {
		want := len(wantDistanceBase) - 1
		for wantDistanceBase[want] > distance {
			want--
		}
		got := int(distanceSymbol(uint32(distance - 1)))
		extra := distanceExtra(got)
		if got != want || (distance-1)&(1<<extra-1) != distance-wantDistanceBase[want] {
			t.Errorf("distance %d: symbol %d with %d bits, want %d", distance, got, extra, want)
		}
	}
}

// However many marks there are, no place is last in the list: so the one before the first is 0.
func TestLastPlaceIsFree(t *testing.T) {
	t.Parallel()
	c := New()
	marks := make([]uint64, textBytes/64)
	for i := range marks {
		marks[i] = ^uint64(0)
	}
	for _, n := range []int{maxPlaces - 1, maxPlaces, maxPlaces + 1, textBytes - 1, textBytes} {
		c.Append(nil, make([]byte, n), 0, marks)
		if got := c.positions[maxPlaces-1]; got != 0 {
			t.Fatalf("%d bytes: the last place is %d, want 0", n, got)
		}
	}
}

// nodes is a heap of the weights of trees.
type nodes []int

func (n nodes) Len() int           { return len(n) }
func (n nodes) Less(i, j int) bool { return n[i] < n[j] }
func (n nodes) Swap(i, j int)      { n[i], n[j] = n[j], n[i] }
func (n *nodes) Push(x any)        { *n = append(*n, x.(int)) } //nolint:errcheck,forcetypeassert // as container/heap has it
func (n *nodes) Pop() any {
	last := (*n)[len(*n)-1]
	*n = (*n)[:len(*n)-1]
	return last
}

// optimalBits returns how many bits the best code takes, of any length but none.
func optimalBits(frequencies []uint32) int {
	var trees nodes
	for _, f := range frequencies {
		if f > 0 {
			heap.Push(&trees, int(f))
		}
	}
	if len(trees) == 1 {
		return trees[0]
	}
	total := 0
	for len(trees) > 1 {
		sum, _ := heap.Pop(&trees).(int)
		other, _ := heap.Pop(&trees).(int)
		total += sum + other
		heap.Push(&trees, sum+other)
	}
	return total
}

// Codes are complete and not too long; optimal if that is not too long, and nearly so otherwise.
func TestCodeLengths(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		frequencies := make([]uint32, 2+rng.IntN(literalCount-1))
		spread := rng.IntN(17)
		for i := range frequencies {
			if rng.IntN(3) > 0 {
				frequencies[i] = rng.Uint32N(1 << rng.IntN(spread+1))
			}
		}
		if seed%10 == 0 { // as unequal as can be
			a, b := uint32(1), uint32(1)
			for i := range min(24, len(frequencies)) {
				frequencies[i] = a
				a, b = b, a+b
			}
		}
		maxBits := 15
		if len(frequencies) <= 19 {
			maxBits = 7
		}
		lengths := make([]uint8, len(frequencies))
		for i := range lengths {
			lengths[i] = 31 // of a former block
		}
		codeLengths(lengths, frequencies, maxBits)
		kraft, used, longest := 0, 0, 0
		for i, n := range lengths {
			if n > 0 {
				kraft += 1 << (maxBits - int(n))
				used++
			} else if frequencies[i] > 0 {
				t.Fatalf("seed %d: symbol %d has no code", seed, i)
			}
			longest = max(longest, int(n))
		}
		if kraft != 1<<maxBits || used < 2 || longest > maxBits {
			t.Fatalf("seed %d: %d codes of up to %d bits, Kraft sum %d, want at least 2, at most %d, %d", seed, used, longest, kraft, maxBits, 1<<maxBits)
		}
		got, want := codedBits(frequencies, lengths), optimalBits(frequencies)
		if got < want || longest < maxBits && got > want || got > want+want/8 {
			t.Errorf("seed %d: %d bits with codes of up to %d, want %d, or little more if %d are too few", seed, got, longest, want, maxBits)
		}
	}
}
