package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/load"
	"github.com/scopegate/scopegate/integration/internal/testbed"
)

// tiny is an experiment that takes no time.
func tiny(name string) experiment {
	return experiment{
		name: name, plan: load.Plan{Uploads: 12, AtOnce: 4, Connections: 2},
		bounds: []bound{
			{memoryUsage, 500, ""}, {cpuUsage, 1e6, ""}, {intakeConnections, 12, ""}, allArrived,
		},
	}
}

// short is a run with real servers, as processes of their own, that takes a second.
func short(t *testing.T, experiments ...experiment) run {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("what a process uses is read from /proc")
	}
	program, err := testbed.Binary()
	if err != nil {
		t.Fatal(err)
	}
	candidate, err := variantOf(t.Context(), "candidate", "c2", program)
	if err != nil {
		t.Fatal(err)
	}
	var symbols load.Symbols
	for range 8 {
		symbols.Functions = append(symbols.Functions, testbed.ScopeRequest(&symdbv1.Scope{
			ScopeType: "package", Name: new(strings.Repeat("name", 500)),
		}))
	}
	return run{
		experiments: experiments, symbols: &symbols, candidate: candidate, replicates: 2, dir: t.TempDir(),
		logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

// TestShortForm runs the gates in small: base and candidate are the same server.
// What the verdicts are depends on the machine, what the bounds say does not.
func TestShortForm(t *testing.T) {
	t.Parallel()
	slow, idle := tiny("slow"), tiny("idle")
	slow.intake = load.IntakeOptions{Delay: 20 * time.Millisecond}
	slow.args = []string{"--flush-threshold=4KiB", "--not-yet-there=1"}
	idle.plan.Settle, idle.plan.Hold = 10*time.Millisecond, 100*time.Millisecond
	idle.bounds = append(idle.bounds, bound{idleCPUUsage, 200, ""})
	r := short(t, tiny("usual"), slow, idle)
	base := r.candidate
	base.name, base.revision = "base", "b1"
	r.base = &base
	var log bytes.Buffer
	r.logger = slog.New(slog.NewTextHandler(io.MultiWriter(&log, t.Output()), nil))
	all, err := r.measureAll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, found := range regexp.MustCompile(`msg=measured experiment=usual variant=(\w+)`).FindAllStringSubmatch(log.String(), -1) {
		order = append(order, found[1])
	}
	if !slices.Equal(order, []string{"base", "candidate", "candidate", "base"}) {
		t.Errorf("order: %v, want base, candidate, the same again, and base", order)
	}
	rep := r.judge(all)
	if brokenBounds, _ := rep.failures(); brokenBounds > 0 {
		t.Errorf("%+v, want none", rep.bounds)
	}
	if len(all) != 3 || len(rep.bounds) != 13 || len(rep.changes) != 12 {
		t.Errorf("%d experiments, %d bounds, %d changes, want 3, 13 bounds and 12 changes", len(all), len(rep.bounds), len(rep.changes))
	}
	for _, found := range all {
		if len(found.base) != 2 || len(found.candidate) != 2 {
			t.Errorf("%s: %d and %d replicates, want 2 base and 2 candidate", found.experiment.name, len(found.base), len(found.candidate))
		}
		for _, m := range slices.Concat(found.base, found.candidate) {
			if m.peakBytes < 1<<20 || m.deliveredBytes == 0 || m.ingressTook <= 0 || m.egressTook <= 0 || m.peakConnections < 1 {
				t.Errorf("%s: %+v, want all measured", found.experiment.name, m)
			}
		}
	}
	for _, m := range all[1].candidate {
		if m.egressTook < slow.intake.Delay {
			t.Errorf("a slow intake took %v, want at least %v", m.egressTook, slow.intake.Delay)
		}
	}
	if notes := strings.Join(rep.notes, "\n"); !strings.Contains(notes, "slow: the base has no --not-yet-there=1") {
		t.Errorf("notes: %s, want %q in it", notes, "slow: the base has no --not-yet-there=1")
	}
}

// TestDecide: the report is written and the error tells a gate that has failed from
// a run that has.
func TestDecide(t *testing.T) {
	t.Parallel()
	small, refusing, strange := tiny("small"), tiny("refusing"), tiny("strange")
	small.bounds[0].limit = 1 // MiB, which no server will do with
	refusing.args = []string{"--max-scope-bytes=1KiB"}
	strange.args = []string{"--max-depth=none"}
	for _, test := range []struct {
		experiment experiment
		// says is in the report, status is the command's.
		says   string
		status int
	}{
		{tiny("usual"), "# Quality gates: passed", 0},
		{small, "| **BROKEN** | small | memory_usage | 0/2 |", exitFailed},
		{refusing, "| **BROKEN** | refusing | missed_bytes | 0/2 |", exitFailed},
		{strange, "", exitError},
	} {
		t.Run(test.experiment.name, func(t *testing.T) {
			t.Parallel()
			r := short(t, test.experiment)
			err := r.decide(t.Context(), io.Discard)
			if (err == nil) != (test.status == 0) || err != nil && exitStatus(err) != test.status {
				t.Errorf("%v, want status %d", err, test.status)
			}
			text, readErr := os.ReadFile(filepath.Join(r.dir, "report.md"))
			if !strings.Contains(string(text), test.says) || (readErr != nil) != (test.says == "") {
				t.Errorf("%v, want %q in the report:\n%s", readErr, test.says, text)
			}
		})
	}
}

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]settings{
		"no such experiment":     {only: "none of them", replicates: 5},
		"not an expression":      {only: "(", replicates: 5},
		"no replicate":           {},
		"too few to compare":     {base: "a", replicates: 1},
		"no such program":        {candidate: filepath.Join(t.TempDir(), "none"), replicates: 1, dir: t.TempDir()},
		"a program without help": {candidate: "false", replicates: 1, dir: t.TempDir()},
	} {
		if _, err := s.prepare(t.Context()); err == nil || errors.Is(err, errFailed) {
			t.Errorf("%s: %v, want an error of use", name, err)
		}
	}
}

// TestExperiments: connections have the same number of uploads, and each bound is
// there once and has its reason.
func TestExperiments(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, e := range experiments() {
		if names[e.name] || e.plan.Uploads%e.plan.Connections != 0 {
			t.Errorf("%s: %+v, want a name of its own, and as many uploads for each connection", e.name, e.plan)
		}
		names[e.name] = true
		checks := map[string]bool{}
		for _, b := range e.bounds {
			if checks[b.check.name] || b.reason == "" {
				t.Errorf("%s: %s: %q, want a check of its own with a reason", e.name, b.check.name, b.reason)
			}
			checks[b.check.name] = true
		}
		want := 4
		if e.plan.Hold > 0 {
			want++ // on memory until the uploads end, and at their end
		}
		if len(checks) != want {
			t.Errorf("%s has %d bounds, want %d", e.name, len(checks), want)
		}
	}
}
