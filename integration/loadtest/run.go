package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/scopegate/scopegate/integration/internal/load"
)

// result is the result of a scenario with one server.
type result struct {
	load.Outcome
	cpu       time.Duration
	peakBytes int64
	// missing is how many sent scopes are not in a complete upload without violations
	// at the intake.
	missing int
}

// target is a server to load.
type target struct {
	load.Server

	// escapes means that it writes JSON like encoding/json: with <, > and & escaped,
	// and a newline at the end.
	escapes bool
}

// runScenario runs a scenario with a new server and intake.
func runScenario(ctx context.Context, p programs, s scenario, t target, sent load.Payload) (_ result, err error) {
	in, err := load.StartIntake(ctx, load.IntakeOptions{}, p.logger)
	if err != nil {
		return result{}, fmt.Errorf("start intake: %w", err)
	}
	defer func() { err = errors.Join(err, in.End()) }()
	t.Args = append(slices.Clone(t.Args), s.args...)
	server, err := load.Start(ctx, t.Server, in.URL, p.dir)
	if err != nil {
		return result{}, fmt.Errorf("start server: %w", err)
	}
	defer func() { err = errors.Join(err, server.End()) }()

	before, err := server.Usage()
	if err != nil {
		return result{}, err
	}
	var r result
	var held load.Usage
	switch {
	case s.hold > 0:
		plan := load.Plan{
			Uploads: s.uploads, AtOnce: sendingAtOnce, Connections: s.connections, Hold: s.hold,
			OnHeld: func() (err error) {
				held, err = server.Usage()
				return err
			},
		}
		r.Outcome, err = load.Run(ctx, plan, sent, server.Address)
	case s.repeats, s.anyOrder:
		plan := load.Plan{Uploads: s.uploads, AtOnce: s.atOnce, Connections: s.connections}
		r.Outcome, err = load.Run(ctx, plan, sent, server.Address)
	default:
		r.Outcome, err = runGHZ(ctx, p, s, sent, server.Address)
	}
	if err != nil {
		return result{}, err
	}
	after, err := server.Usage()
	if err != nil {
		return result{}, err
	}
	r.cpu = after.CPU - before.CPU
	r.peakBytes = after.PeakBytes
	if s.hold > 0 {
		r.peakBytes = held.PeakBytes
	}
	jsonBytes := sent.JSONBytes
	if t.escapes {
		jsonBytes = sent.EscapedBytes
	}
	delivered := in.Delivered(sent, jsonBytes)
	r.missing = (s.uploads - delivered.WholeCount) * sent.ScopeCount
	r.log(p.logger.With("scenario", s.name, "server", t.Name), delivered)
	return r, nil
}

func (r result) log(logger *slog.Logger, delivered load.Delivery) {
	delivered.Warn(logger, r.Outcome)
	logger.Info("done", "took", r.Took.Round(time.Millisecond), "cpu", r.cpu, "peak_mib", r.peakBytes>>20,
		"repeated", r.RetryCount)
}
