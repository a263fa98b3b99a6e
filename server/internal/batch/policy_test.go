package batch_test

import (
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
)

// refused returns a batch whose file has that length.
func refused(compressedBytes int) *batch.Batch {
	body := new(encode.Body)
	head := compressedBytes - body.File(nil, nil).Len()
	head -= (head - 1) / (math.MaxUint16 + 5) * 5 // the headers of all blocks but the first
	return &batch.Batch{File: body.File(make([]byte, head), nil)}
}

func TestLimitLearns(t *testing.T) {
	t.Parallel()
	var limit batch.Limit
	if limit.Bytes() != 0 {
		t.Errorf("at first the threshold is %d", limit.Bytes())
	}
	for _, step := range []struct{ refused, threshold, split int }{
		{refused: 1 << 20, threshold: 512 << 10, split: 512 << 10},
		{refused: 1 << 20, threshold: 512 << 10, split: 512 << 10}, // the same again
		{refused: 3 << 20, threshold: 512 << 10, split: 512 << 10}, // from before
		{refused: 300_000, threshold: 150_000, split: 150_000},
		{refused: 20_000, threshold: 16 << 10, split: 10_000}, // not below the floor
		{refused: 1 << 10, threshold: 16 << 10, split: 512},
	} {
		limits := limit.Learn(refused(step.refused))
		if limits != (batch.Limits{CompressedBytes: step.split}) || limit.Bytes() != step.threshold {
			t.Errorf("after %d: split to %+v, threshold %d; want %d, %d",
				step.refused, limits, limit.Bytes(), step.split, step.threshold)
		}
	}
}

func TestLimitFallsOnly(t *testing.T) {
	t.Parallel()
	var limit batch.Limit
	var learners sync.WaitGroup
	for i := range 16 {
		learners.Go(func() { limit.Learn(refused((40 + i) << 10)) })
	}
	learners.Wait()
	if limit.Bytes() != 20<<10 {
		t.Errorf("the threshold is %d", limit.Bytes())
	}
}

func TestThresholds(t *testing.T) {
	t.Parallel()
	learned := &batch.Limit{}
	learned.Learn(refused(60_000))
	compressed := func(threshold int, learned *batch.Limit) batch.Policy {
		return batch.Policy{FlushThresholdBytes: threshold, Learned: learned}
	}
	raw := batch.Policy{FlushThresholdBytes: 1 << 20, FlushThresholdRawBytes: 100_000}
	tests := map[string]struct {
		policy batch.Policy
		name   func(seed uint64) string // of each scope
		want   int                      // scopes until it is full
	}{
		"every scope by itself":    {policy: batch.Policy{}, name: noises(1), want: 1},
		"that stays":               {policy: compressed(0, learned), name: noises(1), want: 1},
		"compressed":               {policy: compressed(60_000, nil), name: noises(45_000), want: 2},
		"nothing learned":          {policy: compressed(60_000, new(batch.Limit)), name: noises(45_000), want: 2},
		"learned":                  {policy: compressed(60_000, learned), name: noises(45_000), want: 1},
		"learned is higher":        {policy: compressed(10_000, learned), name: noises(33_000), want: 1},
		"raw, not compressed yet":  {policy: raw, name: noises(10_000), want: 10},
		"raw, compressed to least": {policy: raw, name: func(uint64) string { return strings.Repeat("x", 49_940) }, want: 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := batch.NewAssembler(splitHeader, test.policy, pools[1], nil)
			for round := range 2 { // a sealed batch leaves nothing behind
				count := 0
				for !a.Full() {
					count++
					a.Add(named(t, test.name(uint64(count))))
				}
				if b := a.Seal(); count != test.want || b.ScopeCount != int64(count) {
					t.Errorf("round %d: full after %d scopes, want %d; ScopeCount %d", round, count, test.want, b.ScopeCount)
				}
			}
		})
	}
}

func noises(n int) func(seed uint64) string {
	return func(seed uint64) string { return noise(n, seed) }
}
