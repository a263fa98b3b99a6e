package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
)

// row is what one way has reached on one corpus: medians of the rounds.
type row struct {
	name              string
	megabytesSecond   float64 // of JSON
	ratio             float64 // to the baseline, within the same round
	bytesVersusStdlib float64 // fraction; only where compresses
	compresses        bool
	allocationsScope  float64
}

func (r row) ours() bool { return strings.HasPrefix(r.name, "ours") }

// short returns the name for a narrow column.
func (r row) short() string {
	if r.name == baselineName {
		return "baseline"
	}
	return strings.TrimSuffix(r.name, " on ready JSON")
}

type table struct {
	corpus   string
	messages int
	json     int
	rows     []row
}

// measure runs all ways in turn, as many rounds as asked for.
func measure(c corpus, ways []way, rounds int) (table, error) {
	t := table{corpus: c.name, messages: len(c.messages), json: len(c.json), rows: make([]row, len(ways))}
	seconds := make([][]float64, len(ways))
	ratios := make([][]float64, len(ways))
	for range rounds {
		var base float64
		for i, w := range ways {
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := cpuTime()
			size, err := w.run(c)
			took := (cpuTime() - start).Seconds()
			if err != nil {
				return t, fmt.Errorf("%s: %s: %w", c.name, w.name, err)
			}
			runtime.ReadMemStats(&after)
			if i == 0 {
				base = took
			}
			seconds[i] = append(seconds[i], took)
			ratios[i] = append(ratios[i], base/took)
			r := &t.rows[i]
			r.name = w.name
			r.allocationsScope = float64(after.Mallocs-before.Mallocs) / float64(len(c.messages))
			r.compresses = size > 0
			r.bytesVersusStdlib = float64(size)/float64(c.gzip6) - 1
		}
	}
	for i := range t.rows {
		t.rows[i].megabytesSecond = float64(len(c.json)) / 1e6 / median(seconds[i])
		t.rows[i].ratio = median(ratios[i])
	}
	return t, nil
}

func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

func (t table) print(w io.Writer) {
	_, _ = fmt.Fprintf(w, "### %s: %d messages, %.1f MB of JSON\n\n", t.corpus, t.messages, float64(t.json)/1e6)
	_, _ = fmt.Fprintln(w, "| way | MB/s of JSON per core | to the baseline | bytes to stdlib -6 | allocations a scope |")
	_, _ = fmt.Fprintln(w, "|---|--:|--:|--:|--:|")
	for _, r := range t.rows {
		size := ""
		if r.compresses {
			size = fmt.Sprintf("%+.1f%%", 100*r.bytesVersusStdlib)
		}
		_, _ = fmt.Fprintf(w, "| %s | %.0f | %.2fx | %s | %.1f |\n", r.name, r.megabytesSecond, r.ratio, size, r.allocationsScope)
	}
	_, _ = fmt.Fprintln(w)
}
