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
		{live{80 * mib, 96 * mib}, 16},
		{live{140 * mib, 150 * mib}, minGCPercent},
		{live{120 * mib, 150 * mib}, 23}, // to 155 MiB again
		{live{100 * mib, 120 * mib}, gcPercent},
		{live{1000 * mib, 1200 * mib}, minGCPercent},
	} {
		if got := c.target(step.live); got != step.want {
			t.Errorf("step %d, %d MiB live: %d %%, want %d", i, step.live.heapBytes/mib, got, step.want)
		}
	}
}
