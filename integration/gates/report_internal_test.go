package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// steadily returns five replicates of a server that takes 10 CPU seconds a GB, but
// for what change makes of them, nearly the same each time.
func steadily(change func(*measurement)) []measurement {
	var measured []measurement
	for i := range 5 {
		noise := time.Duration(i) * 10 * time.Millisecond
		m := measurement{
			cpu: 10*time.Second + noise, peakBytes: int64(100+i) << 20,
			sentBytes: 1e9, deliveredBytes: 1e9,
			ingressTook: 10*time.Second + noise, egressTook: 20*time.Second + noise,
			peakConnections: 4,
		}
		change(&m)
		measured = append(measured, m)
	}
	return measured
}

func unchanged(*measurement) {}

// judged returns the report on one experiment with two bounds.
func judged(base, candidate []measurement) report {
	e := experiment{name: "e", args: []string{"--threshold=1", "--newer=2"}, bounds: []bound{
		{memoryUsage, 110, "so it was asked for"}, allArrived,
	}}
	r := run{
		experiments: []experiment{e}, replicates: len(candidate),
		candidate: variant{
			name: "candidate", revision: "c2", flags: map[string]bool{"--threshold": true, "--newer": true},
		},
	}
	if base != nil {
		r.base = &variant{name: "base", revision: "b1", flags: map[string]bool{"--threshold": true}}
	}
	return r.judge([]results{{experiment: e, base: base, candidate: candidate}})
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*measurement)
		// worse names the goals that are.
		worse  []string
		broken []string
	}{
		{name: "unchanged", change: unchanged},
		{name: "slowed", change: func(m *measurement) {
			m.cpu, m.ingressTook, m.egressTook = m.cpu*6/5, m.ingressTook*6/5, m.egressTook*6/5
		}, worse: []string{"server CPU", "ingress throughput", "egress throughput"}},
		{name: "slowed a little", change: func(m *measurement) {
			m.cpu, m.ingressTook, m.egressTook = m.cpu*26/25, m.ingressTook*26/25, m.egressTook*26/25
		}},
		{name: "faster", change: func(m *measurement) {
			m.cpu, m.ingressTook, m.egressTook = m.cpu/2, m.ingressTook/2, m.egressTook/2
		}},
		{
			name: "larger", change: func(m *measurement) { m.peakBytes *= 2 },
			worse: []string{"memory utilisation"}, broken: []string{"memory_usage"},
		},
		{name: "above the limit once", change: func(m *measurement) {
			if m.peakBytes == 104<<20 {
				m.peakBytes = 111 << 20
			}
		}, broken: []string{"memory_usage"}},
		{
			name: "one byte missed", change: func(m *measurement) { m.deliveredBytes-- },
			broken: []string{"missed_bytes"},
		},
		{
			name: "stuck", change: func(m *measurement) { m.deliveredBytes, m.egressTook = 0, -time.Hour },
			worse: []string{"egress throughput"}, broken: []string{"missed_bytes"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			rep := judged(steadily(unchanged), steadily(test.change))
			var worseGoals, broken []string
			for _, row := range rep.changes {
				if row.change.verdict == worse {
					worseGoals = append(worseGoals, row.goal.name)
				}
			}
			for _, row := range rep.bounds {
				if !row.holds(rep.replicates) {
					broken = append(broken, row.bound.check.name)
				}
			}
			if strings.Join(worseGoals, ", ") != strings.Join(test.worse, ", ") {
				t.Errorf("worse: %v, want %v", worseGoals, test.worse)
			}
			if strings.Join(broken, ", ") != strings.Join(test.broken, ", ") {
				t.Errorf("broken: %v, want %v", broken, test.broken)
			}
			brokenBounds, worseCount := rep.failures()
			if brokenBounds != len(test.broken) || worseCount != len(test.worse) {
				t.Errorf("%d broken, %d worse, want brokenBounds %v and worseCount %v", brokenBounds, worseCount, len(test.broken), len(test.worse))
			}
		})
	}
}

// TestReport compares reports with what is in testdata, byte for byte.
func TestReport(t *testing.T) {
	t.Parallel()
	slowed := steadily(func(m *measurement) { m.cpu, m.peakBytes = m.cpu*6/5, m.peakBytes*2 })
	for name, rep := range map[string]report{
		"failed.md":    judged(steadily(unchanged), slowed),
		"passed.md":    judged(steadily(unchanged), steadily(unchanged)),
		"candidate.md": judged(nil, steadily(unchanged)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var text strings.Builder
			rep.write(&text)
			want, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil || text.String() != string(want) {
				t.Errorf("%v, got:\n%s", err, text.String())
			}
		})
	}
}
