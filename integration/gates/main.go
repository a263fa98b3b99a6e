// Command gates decides whether a server may be merged: `make gates`, docs/gates.md. It
// runs experiments several times, checks that bounds hold each time, and, if there is a
// base, that no goal got worse. Start at main, then gates.go; the experiments and their
// limits are in experiment.go. To find a server's limits, use integration/loadtest.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/scopegate/scopegate/integration/internal/load"
)

// errFailed is returned if a gate has failed; the report says which.
var errFailed = errors.New("a gate has failed")

// The command's exit statuses.
const (
	exitFailed = 1
	exitError  = 2
)

// settings are the command's flags.
type settings struct {
	base, baseRevision           string
	candidate, candidateRevision string
	binary, dir, only            string
	replicates                   int
}

func main() {
	var s settings
	flag.StringVar(&s.base, "base", "", "the base server's program; empty: only the candidate's bounds are checked")
	flag.StringVar(&s.baseRevision, "base-revision", "base", "name of the base in the report")
	flag.StringVar(&s.candidate, "candidate", "bin/scopegate", "the candidate server's program")
	flag.StringVar(&s.candidateRevision, "candidate-revision", "candidate", "name of the candidate in the report")
	flag.StringVar(&s.binary, "binary", ".tmp/corpus/go", "the Go program whose symbols are uploaded")
	flag.StringVar(&s.dir, "dir", ".tmp/gates", "directory for report.md and the servers' logs")
	flag.StringVar(&s.only, "experiments", "", "a regular expression: run only the experiments whose name it matches")
	flag.IntVar(&s.replicates, "replicates", 5, "how often each experiment is run with each server")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := s.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "gates:", err)
		os.Exit(exitStatus(err))
	}
}

func exitStatus(err error) int {
	if errors.Is(err, errFailed) {
		return exitFailed
	}
	return exitError
}

func (s settings) run(ctx context.Context) error {
	r, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	return r.decide(ctx, os.Stdout)
}

// prepare reads the symbols and the flags of the servers' programs.
func (s settings) prepare(ctx context.Context) (run, error) {
	r := run{replicates: s.replicates, dir: s.dir, logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	wanted, err := regexp.Compile(s.only)
	if err != nil {
		return r, fmt.Errorf("experiments: %w", err)
	}
	for _, e := range experiments() {
		if wanted.MatchString(e.name) {
			r.experiments = append(r.experiments, e)
		}
	}
	switch {
	case len(r.experiments) == 0:
		return r, fmt.Errorf("no experiment matches %q", s.only)
	case s.replicates < 1 || s.base != "" && s.replicates < 2:
		return r, fmt.Errorf("%d replicates are too few: one at least, two to compare", s.replicates)
	}
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return r, err
	}
	if r.candidate, err = variantOf(ctx, "candidate", s.candidateRevision, s.candidate); err != nil {
		return r, err
	}
	if s.base != "" {
		base, err := variantOf(ctx, "base", s.baseRevision, s.base)
		if err != nil {
			return r, err
		}
		r.base = &base
	}
	if r.symbols, err = load.ReadSymbols(ctx, s.binary); err != nil {
		return r, fmt.Errorf("read %s: %w", s.binary, err)
	}
	return r, nil
}

// decide measures, writes the report, and returns errFailed if a gate has failed.
func (r run) decide(ctx context.Context, w io.Writer) error {
	all, err := r.measureAll(ctx)
	if err != nil {
		return err
	}
	rep := r.judge(all)
	var text bytes.Buffer
	rep.write(&text)
	if _, err := w.Write(text.Bytes()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "report.md"), text.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if brokenBounds, worseGoals := rep.failures(); brokenBounds+worseGoals > 0 {
		return errFailed
	}
	return nil
}
