package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/scopegate/scopegate/integration/internal/load"
)

// table has the results for Markdown and for the plot.
type table struct {
	rows   [][]string
	ratios []ratio
}

var columns = []string{
	"scenario", "server", "uploads/s", "scopes/s", "MB/s of JSON", "p50", "p95", "p99",
	"CPU s/GB of JSON", "of baseline", "peak RSS, MiB", "of baseline", "missing",
}

// add adds a row for each server. results are by server, then by round. If there are
// several servers, the last one is the baseline.
func (t *table) add(s scenario, servers []target, sent load.Payload, results [][]result) {
	baseline := results[len(results)-1]
	for i, server := range servers {
		rounds := results[i]
		rate := 1 / median(rounds, func(r result) float64 { return r.Took.Seconds() / float64(len(r.Latencies)) })
		var latencies []time.Duration
		var missing int
		for _, r := range rounds {
			latencies = append(latencies, r.Latencies...)
			missing += r.missing
		}
		slices.Sort(latencies)
		cpu, peak := cpuPerGB(s, sent), func(r result) float64 { return float64(r.peakBytes) / (1 << 20) }
		cpuRatio, peakRatio := "", ""
		if i < len(servers)-1 {
			r := ratio{
				scenario: s.name,
				cpu:      median(rounds, cpu) / median(baseline, cpu),
				peakRSS:  median(rounds, peak) / median(baseline, peak),
				cpuOf:    fmt.Sprintf("%.1f against %.1f s", median(rounds, cpu), median(baseline, cpu)),
				peakOf:   fmt.Sprintf("%.0f against %.0f MiB", median(rounds, peak), median(baseline, peak)),
			}
			t.ratios = append(t.ratios, r)
			cpuRatio, peakRatio = percent(r.cpu), percent(r.peakRSS)
		}
		t.rows = append(t.rows, []string{
			s.name, server.Name,
			fmt.Sprintf("%.1f", rate),
			fmt.Sprintf("%.0f", rate*float64(sent.ScopeCount)),
			fmt.Sprintf("%.1f", rate*float64(sent.JSONBytes)/1e6),
			seconds(percentile(latencies, 50)), seconds(percentile(latencies, 95)), seconds(percentile(latencies, 99)),
			fmt.Sprintf("%.2f", median(rounds, cpu)), cpuRatio,
			fmt.Sprintf("%.0f", median(rounds, peak)), peakRatio,
			fmt.Sprint(missing),
		})
	}
}

func cpuPerGB(s scenario, sent load.Payload) func(result) float64 {
	gigabytes := float64(s.uploads) * float64(sent.JSONBytes) / 1e9
	return func(r result) float64 { return r.cpu.Seconds() / gigabytes }
}

func (t *table) print(w io.Writer) {
	fmt.Fprintf(w, "| %s |\n|%s\n", strings.Join(columns, " | "), "---|---|"+strings.Repeat("---:|", len(columns)-2))
	for _, row := range t.rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
	}
}

// median returns the median of a value of at least one round.
func median(rounds []result, value func(result) float64) float64 {
	values := make([]float64, len(rounds))
	for i, r := range rounds {
		values[i] = value(r)
	}
	slices.Sort(values)
	half := len(values) / 2
	if len(values)%2 == 0 {
		return (values[half-1] + values[half]) / 2
	}
	return values[half]
}

// percentile returns the smallest of the sorted values that is not less than n percent of
// them, or zero if there are none.
func percentile[T cmp.Ordered](sorted []T, n int) T {
	var none T
	if len(sorted) == 0 {
		return none
	}
	return sorted[(len(sorted)*n+99)/100-1]
}

func percent(ratio float64) string { return fmt.Sprintf("%.0f%%", 100*ratio) }

func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
