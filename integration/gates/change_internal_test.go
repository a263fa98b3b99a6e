package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestCompare: the expected intervals are Student's, worked out by hand: with five
// pairs, the mean of the differences ± 2.1318 of its standard errors.
func TestCompare(t *testing.T) {
	t.Parallel()
	steady := []float64{100, 100, 100, 100, 100}
	for _, test := range []struct {
		name            string
		base, candidate []float64
		moreIsBetter    bool
		percent, lo, hi float64
		want            verdict
		vague           bool
	}{
		{
			name: "slower", base: steady, candidate: []float64{110, 112, 108, 111, 109},
			percent: 10, lo: 8.4926, hi: 11.5074, want: worse,
		},
		{
			name: "more of what is good", base: steady, candidate: []float64{110, 112, 108, 111, 109}, moreIsBetter: true,
			percent: 10, lo: 8.4926, hi: 11.5074, want: better,
		},
		{
			name: "faster", base: steady, candidate: []float64{90, 88, 92, 89, 91},
			percent: -10, lo: -11.5074, hi: -8.4926, want: better,
		},
		{
			name: "less of what is good", base: steady, candidate: []float64{90, 88, 92, 89, 91}, moreIsBetter: true,
			percent: -10, lo: -11.5074, hi: -8.4926, want: worse,
		},
		{
			name: "certain, but small", base: steady, candidate: []float64{104, 106, 102, 105, 103},
			percent: 4, lo: 2.4926, hi: 5.5074, want: noChange, vague: true,
		},
		{
			name: "large, but uncertain", base: steady, candidate: []float64{150, 90, 100, 95, 105},
			percent: 8, lo: -15.0101, hi: 31.0101, want: noChange, vague: true,
		},
		{
			name: "the same", base: steady, candidate: steady,
			percent: 0, lo: 0, hi: 0, want: noChange,
		},
		{
			// The machine becomes slower and slower, which meets both: the pairs
			// tell what the samples by themselves would not.
			name: "drift", base: []float64{100, 150, 200, 250, 300}, candidate: []float64{120, 172, 218, 271, 319},
			percent: 10, lo: 9.2463, hi: 10.7537, want: worse,
		},
		{
			name: "drift, no change", base: []float64{100, 150, 200, 250, 300}, candidate: []float64{101, 149, 201, 249, 300},
			percent: 0, lo: -0.4767, hi: 0.4767, want: noChange,
		},
		{
			name: "exactly the tolerance", base: steady, candidate: []float64{105, 105, 105, 105, 105},
			percent: 5, lo: 5, hi: 5, want: worse,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := compare(test.base, test.candidate, test.moreIsBetter)
			for _, figure := range []struct {
				name      string
				got, want float64
			}{{"change", got.percent, test.percent}, {"low", got.lo, test.lo}, {"high", got.hi, test.hi}} {
				if math.Abs(figure.got-figure.want) > 0.001 {
					t.Errorf("%s: %.4f %%, want %.4f", figure.name, figure.got, figure.want)
				}
			}
			if got.verdict != test.want || got.vague() != test.vague {
				t.Errorf("%s, vague: %t; want %s, %t", got.verdict, got.vague(), test.want, test.vague)
			}
		})
	}
}

// TestCompareKeepsPairs: comparing reads samples in their order, and leaves them
// in it.
func TestCompareKeepsPairs(t *testing.T) {
	t.Parallel()
	base, candidate := []float64{300, 100, 200}, []float64{330, 110, 220}
	first, again := compare(base, candidate, false), compare(base, candidate, false)
	if first != again || base[0] != 300 || candidate[0] != 330 {
		t.Errorf("first %+v, then %+v, of %v and %v, want first %v, 300 and 330", first, again, base, candidate, again)
	}
}

// TestCompareNothing: no verdict comes of what can't be told.
func TestCompareNothing(t *testing.T) {
	t.Parallel()
	for name, samples := range map[string][2][]float64{
		"one replicate":   {{100}, {200}},
		"nothing at base": {{0, 0}, {1, 2}},
		"nothing at all":  {{0, 0}, {0, 0}},
	} {
		got := compare(samples[0], samples[1], false)
		if got.verdict != noChange || !got.vague() {
			t.Errorf("%s: %+v, want no change, as it is vague", name, got)
		}
	}
}

// TestCompareNoisy: what docs/gates.md says of how often a verdict is right, with
// samples whose values scatter with a standard deviation of 5%.
func TestCompareNoisy(t *testing.T) {
	t.Parallel()
	const trials = 500
	for _, test := range []struct {
		name               string
		replicates         int
		slowedPercent      float64
		minShare, maxShare float64
	}{
		{"no change", 5, 0, 0.01, 0.05},
		{"no change, more replicates", 20, 0, 0, 0.01},
		{"slowed by a tenth", 5, 10, 0.75, 0.9},
		{"slowed by a fifth", 5, 20, 0.99, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(1, 2))
			sample := func(mean float64) []float64 {
				values := make([]float64, test.replicates)
				for i := range values {
					values[i] = mean + 5*random.NormFloat64()
				}
				return values
			}
			var found int
			for range trials {
				if compare(sample(100), sample(100+test.slowedPercent), false).verdict == worse {
					found++
				}
			}
			if share := float64(found) / trials; share < test.minShare || share > test.maxShare {
				t.Errorf("%.2f%% are worse, want %.2f%% to %.2f%%", 100*share, 100*test.minShare, 100*test.maxShare)
			}
		})
	}
}
