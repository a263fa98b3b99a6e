package batch

import (
	"math"
	"sync"
	"testing"
)

func TestLimitLearns(t *testing.T) {
	t.Parallel()
	type step struct {
		compressed, raw int64
		split           Limits // the first choice
		learned         Limits // afterwards
	}
	of := func(compressed int, raw int64) Limits { return Limits{CompressedBytes: compressed, RawBytes: raw} }
	for name, steps := range map[string][]step{
		"the file": {
			{1 << 20, 12 << 20, of(512<<10, 0), of(512<<10, 0)},
			{1 << 20, 12 << 20, of(512<<10, 0), of(512<<10, 0)}, // the same again
			{3 << 20, 36 << 20, of(512<<10, 0), of(512<<10, 0)}, // from before
			{300_000, 4_000_000, of(150_000, 0), of(150_000, 0)},
			{40_000, 500_000, of(20_000, 0), of(20_000, 0)},
			{20_000, 120_000, of(10_000, 0), of(16<<10, 0)}, // not below the floor
			{1 << 10, 20_000, of(512, 0), of(16<<10, 0)},
		},
		"the JSON": {
			{50_000, 24 << 20, of(0, 12<<20), of(0, 12<<20)},
			{50_000, 24 << 20, of(0, 12<<20), of(0, 12<<20)},
			{40_000, 12 << 20, of(0, 6<<20), of(0, 6<<20)},
			{1000, 200_000, of(0, 100_000), of(0, 100_000)},
			{1000, 130_000, of(0, 65_000), of(0, 64<<10)},
		},
		"one, then the other": {
			{50_000, 24 << 20, of(0, 12<<20), of(0, 12<<20)},
			{1 << 20, 4 << 20, of(512<<10, 0), of(512<<10, 12<<20)},
			{50_000, 24 << 20, of(0, 12<<20), of(512<<10, 12<<20)},
		},
		"the file, to its floor": {
			{30_000, 300_000, of(0, 150_000), of(0, 150_000)},
			{15_000, 140_000, of(0, 70_000), of(0, 70_000)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var limit LearnedLimit
			if limit.Thresholds() != (Limits{}) {
				t.Errorf("at first it has learned %+v, want nothing", limit.Thresholds())
			}
			for _, s := range steps {
				split := limit.refuse(s.compressed, s.raw)
				if split[0] != s.split || limit.Thresholds() != s.learned {
					t.Errorf("after %d bytes of %d: split to %+v, learned %+v; want %+v, %+v",
						s.compressed, s.raw, split, limit.Thresholds(), s.split, s.learned)
				}
				second := of(int(s.compressed/2), 0)
				if s.split.RawBytes == 0 {
					second = of(0, s.raw/2)
				}
				if len(split) != 2 || split[1] != second {
					t.Errorf("after %d bytes of %d: split to %+v, want %+v second", s.compressed, s.raw, split, second)
				}
			}
		})
	}
}

// TestLimitKnowsWhatIsAccepted has the size be learned of which less was accepted.
func TestLimitKnowsWhatIsAccepted(t *testing.T) {
	t.Parallel()
	var limit LearnedLimit
	limit.accept(1<<20, 4<<20)
	limit.refuse(1<<20, 8<<20) // which is no more than usual for such a file
	if got := limit.Thresholds(); got != (Limits{RawBytes: 4 << 20}) {
		t.Errorf("learned %+v, want RawBytes %d alone", got, 4<<20)
	}
	limit.accept(200_000, 8<<20)
	limit.refuse(3<<20, 8<<20)
	if got := limit.Thresholds(); got.CompressedBytes != 3<<19 {
		t.Errorf("learned %+v, want %v", got, 3<<19)
	}
}

// TestLimitRises has a threshold be tried that is higher, more and more seldom where
// that is refused.
func TestLimitRises(t *testing.T) {
	t.Parallel()
	for name, ratio := range map[string]int64{"of the file": 12, "of the JSON": 100} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var limit LearnedLimit
			limit.refuse(400_000, 400_000*ratio)
			threshold := func() int64 { // of the file
				if learned := limit.Thresholds(); ratio == 12 {
					return int64(learned.CompressedBytes)
				}
				return limit.Thresholds().RawBytes / ratio
			}
			// fill has batches accepted that reach the threshold, until it rises.
			fill := func() (count int) {
				for before := threshold(); threshold() == before; count++ {
					if count > 1000 {
						t.Fatal("the threshold does not rise")
					}
					limit.accept(10_000, 10_000*ratio) // the last one of an upload
					limit.accept(before+5000, (before+5000)*ratio)
				}
				return count
			}
			for _, want := range []int{8, 16, 32, 64, 128, 256, 256} {
				if count := fill(); count != want || threshold() != 400_000 {
					t.Errorf("the threshold rose to %d after %d batches, want %d", threshold(), count, want)
				}
				limit.refuse(400_000, 400_000*ratio)
				limit.refuse(400_000, 400_000*ratio) // another upload's, that was filled meanwhile
				if threshold() != 200_000 {
					t.Errorf("the threshold fell to %d, want 200000", threshold())
				}
			}
			if count := fill(); count != 256 {
				t.Errorf("the threshold rose after %d batches, want 256", count)
			}
			for _, want := range []int64{800_000, 1_600_000} { // the intake takes larger ones now
				if count := fill(); count != 8 || threshold() != want {
					t.Errorf("the threshold rose to %d after %d batches, want count 8 and %v", threshold(), count, want)
				}
			}
			limit.accept(8_000_000, 8_000_000*ratio) // a single batch, that heeds no threshold
			if threshold() != 4_000_000 {
				t.Errorf("the threshold is %d after a batch of 8,000,000 bytes was accepted, want 4000000", threshold())
			}
		})
	}
}

// TestLimitFindsTheIntakes has an intake limit one of the sizes, and batches of all
// kinds shrink and grow until it takes them: few are refused, and few are small. Then
// it takes all, and they grow as large as they may be.
func TestLimitFindsTheIntakes(t *testing.T) {
	t.Parallel()
	const most, flush, flushRaw = 300_000, 1 << 20, 24 << 20
	file := func(compressed, _ int64) bool { return compressed <= most }
	json := func(_, raw int64) bool { return raw <= 12*most }
	for name, test := range map[string]struct {
		ratios  []int64 // of batches, one after the other
		accepts func(compressed, raw int64) bool
	}{
		"file, usual":     {[]int64{12}, file},
		"file, dense":     {[]int64{4}, file},
		"file, repeating": {[]int64{60}, file},
		"file, mixed":     {[]int64{4, 12, 900, 8, 15, 60}, file},
		"JSON, usual":     {[]int64{12}, json},
		"JSON, dense":     {[]int64{4}, json},
		"JSON, repeating": {[]int64{900}, json},
		"JSON, mixed":     {[]int64{4, 12, 900, 8, 15, 60}, json},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var limit LearnedLimit
			policy := Policy{FlushThresholdBytes: flush, FlushThresholdRawBytes: flushRaw, Learned: &limit}
			// fullAt is the length of a file at which a batch is full.
			fullAt := func(ratio int64) int64 {
				compressed, raw := policy.thresholds()
				return min(int64(compressed), (raw+ratio-1)/ratio)
			}
			accepted, refused := 0, 0
			var bytes, ideal int64
			for turn := 0; accepted < 5000; turn++ {
				ratio := test.ratios[turn%len(test.ratios)]
				size := fullAt(ratio)
				if !test.accepts(size, size*ratio) {
					limit.refuse(size, size*ratio)
					if refused++; refused > 1000 {
						t.Fatalf("%d batches were refused, of %d, want at most 1000", refused, turn)
					}
					continue
				}
				limit.accept(size, size*ratio)
				accepted++
				bytes += size
				ideal += largest(func(size int64) bool { return test.accepts(size, size*ratio) }, min(flush, flushRaw/ratio))
			}
			t.Logf("%d batches were refused of %d; accepted ones have %d%% of the size that they could have", refused, accepted, 100*bytes/ideal)
			if refused > accepted/50 || bytes < ideal/3 {
				t.Error("too many, or too small")
			}
			for range 5000 {
				for _, ratio := range test.ratios {
					size := fullAt(ratio)
					limit.accept(size, size*ratio)
				}
			}
			for _, ratio := range test.ratios {
				if size, want := fullAt(ratio), min(flush, (flushRaw+ratio-1)/ratio); size < want {
					t.Errorf("batches do not grow beyond %d bytes, of %d", size, want)
				}
			}
		})
	}
}

// largest returns the largest size up to most that is accepted.
func largest(accepts func(int64) bool, most int64) int64 {
	least := int64(0)
	for least < most {
		middle := (least + most + 1) / 2
		if accepts(middle) {
			least = middle
		} else {
			most = middle - 1
		}
	}
	return least
}

func TestLimitConcurrently(t *testing.T) {
	t.Parallel()
	var limit LearnedLimit
	var learners sync.WaitGroup
	for i := range 16 {
		learners.Go(func() {
			limit.refuse(int64(40+i)<<10, 400_000)
			limit.accept(1000, 10_000)
			limit.Thresholds()
		})
	}
	learners.Wait()
	if got := limit.Thresholds().CompressedBytes; got != 20<<10 {
		t.Errorf("the threshold is %d, want %v", got, 20<<10)
	}
}

// TestLimitAtTheEdges has sizes that no batch has change nothing but thresholds.
func TestLimitAtTheEdges(t *testing.T) {
	t.Parallel()
	var limit LearnedLimit
	limit.accept(0, 0)
	for _, size := range []int64{0, 1, math.MaxInt64} {
		for _, split := range limit.refuse(size, size) {
			if split.CompressedBytes < 0 || split.RawBytes < 0 || split == (Limits{}) {
				t.Errorf("%d is to be split to %+v, want a limit that is not negative", size, split)
			}
		}
	}
}
