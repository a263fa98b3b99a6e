package main

import "testing"

// A small heap may grow by gcPercent, a large one by maxGarbageBytes, or to its size
// before.
func TestCollectorTarget(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	var c collector
	for i, step := range []struct {
		live live
		want int
	}{
		{live{}, gcPercent},
		{live{30 * mib, 40 * mib}, gcPercent},
		{live{80 * mib, 96 * mib}, 25},
		{live{160 * mib, 200 * mib}, 12},
		{live{150 * mib, 190 * mib}, 17}, // to 184 MiB again
		{live{100 * mib, 120 * mib}, gcPercent},
		{live{1000 * mib, 1200 * mib}, minGCPercent},
	} {
		if got := c.target(step.live); got != step.want {
			t.Errorf("step %d, %d MiB live: %d %%, want %d", i, step.live.heapBytes/mib, got, step.want)
		}
	}
}
