package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
)

// row has the results of one way on one corpus: medians of the rounds.
type row struct {
	name              string
	label             string  // in the plot; empty: none
	megabytesSecond   float64 // of JSON
	ratio             float64 // to the baseline, within the same round
	bytesVersusStdlib float64 // fraction; only where compresses
	compresses        bool
	allocationsScope  float64
	// shuffled and torn are the times of the corpus in another order to that in ascending
	// order, within the same round. They are 0 if way.reorders is not set.
	shuffled, torn float64
}

func (r row) ours() bool { return strings.HasPrefix(r.name, "ours") }

type table struct {
	corpus   string
	messages int
	json     int
	rows     []row
}

// measure runs all ways in turn, as many rounds as asked for. Each round begins with
// another way, so that no way always follows the baseline.
func measure(c corpus, ways []way, rounds int) (table, error) {
	t := table{corpus: c.name, messages: len(c.messages), json: len(c.json), rows: make([]row, len(ways))}
	seconds := make([][]float64, len(ways))
	ratios := make([][]float64, len(ways))
	shuffled, torn := make([][]float64, len(ways)), make([][]float64, len(ways))
	inShuffled, err := c.reorder(false)
	if err != nil {
		return t, fmt.Errorf("%s: %w", c.name, err)
	}
	inTorn, err := c.reorder(true)
	if err != nil {
		return t, fmt.Errorf("%s: %w", c.name, err)
	}
	for round := range rounds {
		for n := range ways {
			i := (n + round*len(ways)/rounds) % len(ways)
			took, err := t.rows[i].measure(c, ways[i])
			if err != nil {
				return t, fmt.Errorf("%s: %s: %w", c.name, ways[i].name, err)
			}
			seconds[i] = append(seconds[i], took)
			if !ways[i].reorders {
				continue
			}
			tookShuffled, err := t.rows[i].measure(inShuffled, ways[i])
			if err != nil {
				return t, fmt.Errorf("%s, shuffled: %s: %w", c.name, ways[i].name, err)
			}
			tookTorn, err := t.rows[i].measure(inTorn, ways[i])
			if err != nil {
				return t, fmt.Errorf("%s, torn: %s: %w", c.name, ways[i].name, err)
			}
			shuffled[i], torn[i] = append(shuffled[i], tookShuffled/took), append(torn[i], tookTorn/took)
		}
		for i := range ways {
			ratios[i] = append(ratios[i], seconds[0][round]/seconds[i][round])
		}
	}
	for i := range t.rows {
		t.rows[i].megabytesSecond = float64(len(c.json)) / 1e6 / median(seconds[i])
		t.rows[i].ratio = median(ratios[i])
		if ways[i].reorders {
			t.rows[i].shuffled, t.rows[i].torn = median(shuffled[i]), median(torn[i])
		}
	}
	return t, nil
}

// measure runs a way once and returns the seconds that it took.
func (r *row) measure(c corpus, w way) (float64, error) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := cpuTime()
	size, err := w.run(c)
	took := (cpuTime() - start).Seconds()
	if err != nil {
		return 0, err
	}
	runtime.ReadMemStats(&after)
	r.name, r.label = w.name, w.label
	r.allocationsScope = float64(after.Mallocs-before.Mallocs) / float64(len(c.messages))
	r.compresses = size > 0
	r.bytesVersusStdlib = float64(size)/float64(c.gzip6) - 1
	return took, nil
}

func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

func (t table) print(w io.Writer) {
	_, _ = fmt.Fprintf(w, "### %s: %d messages, %.1f MB of JSON\n\n", t.corpus, t.messages, float64(t.json)/1e6)
	_, _ = fmt.Fprintln(w, "| way | MB/s of JSON per core | to the baseline | bytes to stdlib -6 | allocations a scope |"+
		" shuffled / ascending | torn / ascending |")
	_, _ = fmt.Fprintln(w, "|---|--:|--:|--:|--:|--:|--:|")
	for _, r := range t.rows {
		size := ""
		if r.compresses {
			size = fmt.Sprintf("%+.1f%%", 100*r.bytesVersusStdlib)
		}
		reordered := " | "
		if r.shuffled > 0 {
			reordered = fmt.Sprintf("%.2fx | %.2fx", r.shuffled, r.torn)
		}
		_, _ = fmt.Fprintf(w, "| %s | %.0f | %.2fx | %s | %.1f | %s |\n",
			r.name, r.megabytesSecond, r.ratio, size, r.allocationsScope, reordered)
	}
	_, _ = fmt.Fprintln(w)
}
