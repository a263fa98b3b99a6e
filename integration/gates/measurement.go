package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/scopegate/scopegate/integration/internal/load"
)

// measurement is the result of one replicate of a variant.
type measurement struct {
	// cpu is the server's CPU time for all uploads, idleCPU its CPU time while they
	// were open and idle.
	cpu, idleCPU time.Duration
	// peakBytes is the server's peak memory before uploads that were held open end,
	// endPeakBytes its peak memory until all have ended, restBytes its memory before the first.
	peakBytes, endPeakBytes, restBytes int64
	// sentBytes is the JSON of all uploads, deliveredBytes the JSON of those that the
	// intake has whole.
	sentBytes, deliveredBytes int64
	// ingressTook is the time until clients had sent all messages, egressTook the
	// time until the intake had accepted the last batch, without the time for which
	// uploads were held open.
	ingressTook, egressTook, idleTook time.Duration
	peakConnections                   int
}

// variant is a server that is measured.
type variant struct {
	// name is base or candidate, revision the revision of its source.
	name, revision string
	server         load.Server
	flags          map[string]bool // supported ones
}

// variantOf returns the variant of a server's program.
func variantOf(ctx context.Context, name, revision, program string) (variant, error) {
	v := variant{name: name, revision: revision, server: load.Server{Program: program, Args: []string{"serve"}}}
	flags, err := v.server.Flags(ctx)
	v.flags = flags
	return v, err
}

// supported returns the arguments whose flags the variant supports, and the others.
func (v variant) supported(args []string) (has, lacks []string) {
	for _, arg := range args {
		name, _, _ := strings.Cut(arg, "=")
		if v.flags[name] {
			has = append(has, arg)
		} else {
			lacks = append(lacks, arg)
		}
	}
	return has, lacks
}

// measure runs an experiment with a new server and intake. The server's log goes to dir.
func measure(
	ctx context.Context, e experiment, v variant, sent load.Payload, dir string, logger *slog.Logger,
) (m measurement, err error) {
	logger = logger.With("experiment", e.name, "variant", v.name)
	in, err := load.StartIntake(ctx, e.intake, logger)
	if err != nil {
		return m, fmt.Errorf("start intake: %w", err)
	}
	defer func() { err = errors.Join(err, in.End()) }()
	server := v.server
	server.Name = e.name + "-" + v.name
	args, _ := v.supported(e.args)
	server.Args = slices.Concat(server.Args, args)
	process, err := load.Start(ctx, server, in.URL, dir)
	if err != nil {
		return m, fmt.Errorf("start server: %w", err)
	}
	defer func() { err = errors.Join(err, process.End()) }()

	before, err := process.Usage()
	if err != nil {
		return m, err
	}
	var settled, held load.Usage
	plan := e.plan
	plan.OnSettled = func() (err error) {
		settled, err = process.Usage()
		return err
	}
	plan.OnHeld = func() (err error) {
		held, err = process.Usage()
		return err
	}
	seen, err := load.Run(ctx, plan, sent, process.Address)
	if err != nil {
		return m, fmt.Errorf("load: %w", err)
	}
	after, err := process.Usage()
	if err != nil {
		return m, err
	}
	delivered := in.Delivered(sent, sent.JSONBytes)
	m = measurement{
		cpu: after.CPU - before.CPU, idleCPU: held.CPU - settled.CPU,
		peakBytes: after.PeakBytes, endPeakBytes: after.PeakBytes, restBytes: before.ResidentBytes,
		sentBytes:       int64(plan.Uploads) * sent.JSONBytes,
		deliveredBytes:  int64(min(plan.Uploads, delivered.WholeCount)) * sent.JSONBytes,
		ingressTook:     seen.SentAfter,
		egressTook:      delivered.LastAccepted.Sub(seen.Began) - plan.Settle - plan.Hold,
		idleTook:        plan.Hold,
		peakConnections: delivered.PeakConnections,
	}
	if plan.Hold > 0 {
		m.peakBytes = held.PeakBytes
	}
	m.log(logger, seen, delivered)
	return m, nil
}

func (m measurement) log(logger *slog.Logger, seen load.Outcome, delivered load.Delivery) {
	delivered.Warn(logger, seen)
	logger.Info("measured", "took", seen.Took.Round(time.Millisecond), "cpu", m.cpu, "peak_mib", m.peakBytes>>20,
		"end_peak_mib", m.endPeakBytes>>20, "retries", seen.RetryCount, "posts_turned_away", delivered.TurnedAwayCount)
}

// goal is a value that a change of the server may make better or worse.
type goal struct {
	name, unit   string
	moreIsBetter bool
	value        func(measurement) float64
}

func goals() []goal {
	return []goal{
		{name: "server CPU", unit: "s/GB", value: measurement.cpuPerGB},
		{name: "memory utilisation", unit: "MiB", value: measurement.peakMiB},
		{name: "ingress throughput", unit: "MB/s", moreIsBetter: true, value: func(m measurement) float64 {
			return perSecond(m.sentBytes, m.ingressTook)
		}},
		{name: "egress throughput", unit: "MB/s", moreIsBetter: true, value: func(m measurement) float64 {
			return perSecond(m.deliveredBytes, m.egressTook)
		}},
	}
}

// check is a value that can be bounded.
type check struct {
	name, unit string
	value      func(measurement) float64
}

var (
	memoryUsage    = check{"memory_usage", "MiB", measurement.peakMiB}
	endMemoryUsage = check{"end_memory_usage", "MiB", func(m measurement) float64 { return mebibytes(m.endPeakBytes) }}
	addedMemory    = check{"added_memory", "MiB", func(m measurement) float64 { return mebibytes(m.peakBytes - m.restBytes) }}
	missedBytes    = check{"missed_bytes", "B", func(m measurement) float64 {
		return float64(m.sentBytes - m.deliveredBytes)
	}}
	intakeConnections = check{"intake_connections", "", func(m measurement) float64 {
		return float64(m.peakConnections)
	}}
	cpuUsage     = check{"cpu_usage", "s/GB", measurement.cpuPerGB}
	idleCPUUsage = check{"cpu_usage", "% of a core", func(m measurement) float64 {
		return 100 * m.idleCPU.Seconds() / m.idleTook.Seconds()
	}}
)

func (m measurement) cpuPerGB() float64 { return m.cpu.Seconds() / (float64(m.sentBytes) / 1e9) }

func (m measurement) peakMiB() float64 { return mebibytes(m.peakBytes) }

func mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// perSecond returns MB/s, or zero if nothing was delivered and there is no time.
func perSecond(bytes int64, took time.Duration) float64 {
	if took <= 0 {
		return 0
	}
	return float64(bytes) / 1e6 / took.Seconds()
}
