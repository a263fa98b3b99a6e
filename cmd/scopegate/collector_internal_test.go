package main

import "testing"

func TestCollectorTarget(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		live uint64
		want int
	}{
		{0, gcPercent},
		{40 << 20, gcPercent},
		{96 << 20, 25},
		{200 << 20, 12},
		{10 << 30, minGCPercent},
	} {
		if got := collectorTarget(tt.live); got != tt.want {
			t.Errorf("%d MiB live: %d %%, want %d", tt.live>>20, got, tt.want)
		}
	}
}
