package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/scopegate/scopegate/integration/internal/load"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sorted []int
		n      int
		want   int
	}{
		{nil, 50, 0},
		{[]int{7}, 99, 7},
		{[]int{1, 2, 3, 4}, 50, 2},
		{[]int{1, 2, 3, 4}, 95, 4},
		{[]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 99, 10},
	} {
		if got := percentile(test.sorted, test.n); got != test.want {
			t.Errorf("percentile(%v, %d) = %d, want %d", test.sorted, test.n, got, test.want)
		}
	}
}

// TestTable: rates and ratios are of medians over the rounds, the ratio is to the
// last server.
func TestTable(t *testing.T) {
	t.Parallel()
	round := func(cpu time.Duration, peakMiB int64) result {
		return result{
			Outcome: load.Outcome{Took: 2 * time.Second, Latencies: []time.Duration{time.Second, 3 * time.Second}},
			cpu:     cpu, peakBytes: peakMiB << 20,
		}
	}
	var tab table
	tab.add(
		scenario{name: "s", uploads: 2}, []target{{Server: load.Server{Name: "ours"}}, {Server: load.Server{Name: "baseline"}}},
		load.Payload{ScopeCount: 10, JSONBytes: 5e8},
		[][]result{
			{round(time.Second, 10), round(2*time.Second, 10), round(9*time.Second, 10)},
			{round(8*time.Second, 40), round(8*time.Second, 40), round(8*time.Second, 40)},
		})
	var out bytes.Buffer
	tab.print(&out)
	lines := strings.Split(out.String(), "\n")
	for i, want := range []string{
		"| s | ours | 1.0 | 10 | 500.0 | 1.00 s | 3.00 s | 3.00 s | 2.00 | 25% | 10 | 25% | 0 |",
		"| s | baseline | 1.0 | 10 | 500.0 | 1.00 s | 3.00 s | 3.00 s | 8.00 |  | 40 |  | 0 |",
	} {
		if got := lines[2+i]; got != want {
			t.Errorf("row %d:\n%s, want\n%s", i, got, want)
		}
	}
}

// TestScenarios: ghz splits uploads evenly over its workers, and these over the
// connections.
func TestScenarios(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		if s.uploads%s.atOnce != 0 || s.atOnce%s.connections != 0 {
			t.Errorf("%s: %d uploads, %d at once, %d connections, want 0 and 0", s.name, s.uploads, s.atOnce, s.connections)
		}
	}
}
