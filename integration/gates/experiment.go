package main

import (
	"time"

	"github.com/scopegate/scopegate/integration/internal/load"
)

// experiment is one way to load a server, with the bounds that must hold.
type experiment struct {
	name string
	// whole sends packages as the client splits them; otherwise each function and
	// type is a message.
	whole bool
	// messages is how many messages an upload has, taken evenly from all. 0: all.
	messages int
	// maxJSONBytes limits the JSON of all messages. 0: no limit.
	maxJSONBytes int64
	// minJSONBytes is how much JSON the messages are at least: they are repeated.
	minJSONBytes int64
	plan         load.Plan
	intake       load.IntakeOptions
	// args are flags of the server, as --name=value. A server without such a flag is
	// started without it.
	args   []string
	bounds []bound
}

// payload returns the payload of one upload.
func (e experiment) payload(symbols *load.Symbols) (load.Payload, error) {
	scopes := symbols.Scopes(e.whole, e.messages)
	if e.maxJSONBytes > 0 {
		var err error
		if scopes, err = load.Fitting(scopes, e.maxJSONBytes); err != nil {
			return load.Payload{}, err
		}
	}
	sent, err := load.NewPayload(scopes)
	return sent.Repeated(e.minJSONBytes), err
}

// bound is a check with a limit, which must hold in all replicates.
type bound struct {
	check  check
	limit  float64
	reason string // for the limit
}

// The bounds of every experiment.
var (
	allArrived     = bound{missedBytes, 0, "the intake has every upload, whole"}
	fewConnections = bound{intakeConnections, 20, "the server's limit is 16; a closing connection may overlap the next"}
)

// experiments returns all experiments in order. Unless their reasons say otherwise,
// limits on CPU time and memory are about twice the values measured on two busy cores,
// because they must hold on other machines too. They detect gross errors; the comparison
// with a base detects the rest.
func experiments() []experiment {
	all := []experiment{
		{
			name:         "idle_10000_streams",
			messages:     50,
			maxJSONBytes: 10_000,
			plan: load.Plan{
				Uploads: 10_000, AtOnce: 100, Connections: 1000,
				Settle: 3 * time.Second, Hold: 5 * time.Second,
			},
			bounds: []bound{
				{memoryUsage, 256, "required; 10,000 uploads over 1,000 connections, 10 kB of JSON each; usual: 217 to 235"},
				{endMemoryUsage, 320, "required, when all end at once; usual: 277 to 295"},
				{idleCPUUsage, 10, "an open, idle stream costs only keepalive"},
			},
		},
		{
			name:  "whole_packages_50",
			whole: true,
			plan:  load.Plan{Uploads: 50, AtOnce: 50, Connections: 10},
			bounds: []bound{
				{memoryUsage, 300, "usual: 130 to 145; a batch of 1.5 MB an upload is 75; the baseline needs 310"},
				{cpuUsage, 25, "usual: 4 to 6; the baseline needs 36 and more"},
			},
		},
		{
			name:     "small_uploads_1000",
			messages: 50,
			plan:     load.Plan{Uploads: 1000, AtOnce: 100, Connections: 100},
			bounds: []bound{
				{memoryUsage, 100, "usual: 37 to 45; 100 uploads of 76 kB at a time, with their windows, are 15"},
				{cpuUsage, 30, "usual: 11 to 13; the baseline needs 60"},
			},
		},
		{
			name:         "large_upload",
			whole:        true,
			minJSONBytes: 72_000_000,
			plan:         load.Plan{Uploads: 1, AtOnce: 1, Connections: 1},
			bounds: []bound{
				{addedMemory, 16, "usual: 12 to 13, of which two batches of 2 MiB are 4; the goal is 6"},
				{cpuUsage, 25, "usual: 4 to 6"},
			},
		},
	}
	for _, slow := range []struct {
		name  string
		delay time.Duration
	}{
		{"slow_intake_100ms", 100 * time.Millisecond},
		{"slow_intake_500ms", 500 * time.Millisecond},
		{"slow_intake_1000ms", time.Second},
	} {
		all = append(all, troubled(slow.name, load.IntakeOptions{Delay: slow.delay}))
	}
	all = append(all, troubled("intake_503_for_5s", load.IntakeOptions{Outage: 5 * time.Second}))
	for i := range all {
		all[i].bounds = append(all[i].bounds, allArrived, fewConnections)
	}
	return all
}

// troubled returns an experiment in which the intake delays the server. Batches are
// small, so that each upload has about a dozen.
func troubled(name string, intake load.IntakeOptions) experiment {
	return experiment{
		name:   name,
		whole:  true,
		plan:   load.Plan{Uploads: 20, AtOnce: 20, Connections: 4},
		intake: intake,
		args:   []string{"--flush-threshold=128KiB"},
		bounds: []bound{
			{memoryUsage, 110, "usual: 50 to 78; two messages of 1 MiB and two batches of 128 KiB an upload are 45"},
			{cpuUsage, 25, "usual: 5 to 6; waiting costs none"},
		},
	}
}
