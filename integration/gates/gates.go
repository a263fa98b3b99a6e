package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/scopegate/scopegate/integration/internal/load"
)

// run is a run of the gates.
type run struct {
	experiments []experiment
	symbols     *load.Symbols
	// base may be nil. Then only the candidate is measured.
	base       *variant
	candidate  variant
	replicates int    // of each experiment, with each variant
	dir        string // for the servers' logs
	logger     *slog.Logger
}

// results are the measurements of one experiment, by replicate.
type results struct {
	experiment experiment
	// base is empty if only the candidate was measured.
	base, candidate []measurement
}

// measureAll runs all experiments. A replicate measures both variants, one right after
// the other, in alternating order.
func (r run) measureAll(ctx context.Context) ([]results, error) {
	var all []results
	for _, e := range r.experiments {
		sent, err := e.payload(r.symbols)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		r.logger.InfoContext(ctx, "begin", "experiment", e.name, "uploads", e.plan.Uploads,
			"messages", sent.ScopeCount, "json_bytes", sent.JSONBytes)
		found := results{experiment: e}
		for replicate := range r.replicates {
			if err := r.replicate(ctx, &found, sent, replicate%2 == 1); err != nil {
				return nil, fmt.Errorf("%s, replicate %d: %w", e.name, replicate+1, err)
			}
		}
		all = append(all, found)
	}
	return all, nil
}

func (r run) replicate(ctx context.Context, found *results, sent load.Payload, candidateFirst bool) error {
	type turn struct {
		variant variant
		into    *[]measurement
	}
	turns := []turn{{r.candidate, &found.candidate}}
	if r.base != nil {
		turns = slices.Insert(turns, 0, turn{*r.base, &found.base})
	}
	if candidateFirst {
		slices.Reverse(turns)
	}
	for _, next := range turns {
		m, err := measure(ctx, found.experiment, next.variant, sent, r.dir, r.logger)
		if err != nil {
			return fmt.Errorf("%s: %w", next.variant.name, err)
		}
		*next.into = append(*next.into, m)
	}
	return nil
}

// values returns a value of each measurement.
func values(measured []measurement, value func(measurement) float64) []float64 {
	all := make([]float64, len(measured))
	for i, m := range measured {
		all[i] = value(m)
	}
	return all
}
