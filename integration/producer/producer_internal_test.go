package main

import (
	"testing"
)

func TestHeapInTrace(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]float64{
		"gc 7 @0.1s 1%: 0.01+1+0.02 ms clock, 0.02+0/1/0+0.04 ms cpu, 12->15->7 MB, 14 MB goal, 0 MB stacks, 0 MB globals, 2 P": 15,
		"gc 8 @0.2s 1%: 0.01+1+0.02 ms clock, 0.02+0/1/0+0.04 ms cpu, 9->8->7 MB, 14 MB goal, 0 MB stacks, 0 MB globals, 2 P":   9,
		"uploaded shop: 12->15 MB": 0,
	} {
		if got, ok := heapIn(line); got != want || ok != (want > 0) {
			t.Errorf("%s: %v, %t, want %v", line, got, ok, want)
		}
	}
}

func TestBound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		value, most float64
		broken      bool
	}{{20, 20, false}, {20.5, 20, true}, {20.5, 0, false}} {
		if err := bound("buf", "heap", tt.value, tt.most); (err != nil) != tt.broken {
			t.Errorf("%v of at most %v: %v, want an error: %t", tt.value, tt.most, err, tt.broken)
		}
	}
}

// Only values measured one after the other are compared.
func TestRelative(t *testing.T) {
	t.Parallel()
	if got := relative([]float64{1, 20, 3}, []float64{2, 40, 2}); got != 0.5 {
		t.Errorf("%v, want the median of 0.5, 0.5 and 1.5", got)
	}
}
