package batch_test

import (
	"math"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
)

func TestThresholds(t *testing.T) {
	t.Parallel()
	learned, learnedRaw := &batch.LearnedLimit{}, &batch.LearnedLimit{}
	learned.Refused(sized(60_000, 600_000))
	learnedRaw.Refused(sized(1000, 150_000))
	compressed := func(threshold int, learned *batch.LearnedLimit) batch.Policy {
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
		"nothing learned":          {policy: compressed(60_000, new(batch.LearnedLimit)), name: noises(45_000), want: 2},
		"learned":                  {policy: compressed(60_000, learned), name: noises(45_000), want: 1},
		"learned is higher":        {policy: compressed(10_000, learned), name: noises(33_000), want: 1},
		"learned raw":              {policy: batch.Policy{FlushThresholdBytes: 1 << 20, Learned: learnedRaw}, name: noises(10_000), want: 8},
		"learned raw is higher":    {policy: batch.Policy{FlushThresholdBytes: 1 << 20, FlushThresholdRawBytes: 50_000, Learned: learnedRaw}, name: noises(10_000), want: 5},
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

// sized returns a batch of these sizes, whatever it says.
func sized(compressedBytes int, rawBytes int64) *batch.Batch {
	body := new(encode.Body)
	head := compressedBytes - body.File(nil, nil).Len()
	head -= (head - 1) / (math.MaxUint16 + 5) * 5 // the headers of all blocks but the first
	return &batch.Batch{File: body.File(make([]byte, head), nil), RawBytes: rawBytes}
}

func noises(n int) func(seed uint64) string {
	return func(seed uint64) string { return noise(n, seed) }
}
