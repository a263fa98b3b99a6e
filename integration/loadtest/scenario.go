package main

import (
	"time"

	"github.com/scopegate/scopegate/integration/internal/load"
)

// scenario is one way to load a server.
type scenario struct {
	name string
	// whole sends packages as the client splits them; otherwise each function and
	// type is a message.
	whole bool
	// messages is how many messages an upload has, taken evenly from all. 0: all.
	messages int
	// uploads is how many uploads to make, atOnce how many at a time.
	uploads, atOnce, connections int
	// fromJSON makes ghz encode the messages from JSON.
	fromJSON bool
	// anyOrder sends fields in random order, which ghz can't.
	anyOrder bool
	// interval is the wait between two messages of an upload.
	interval time.Duration
	// repeats retries uploads that the server has no room for, which ghz can't.
	repeats bool
	args    []string // further arguments of our server
	// hold is how long all uploads stay open and idle after their messages, which ghz
	// can't.
	hold time.Duration
	// alone leaves out the baseline, which would need too much memory.
	alone bool
}

// sendingAtOnce is how many of the held uploads send at a time.
const sendingAtOnce = 100

// smallMemory is less than 2,000 uploads would hold without a limit.
var smallMemory = []string{"--memory-limit=256MiB"}

// payload returns the payload of one upload.
func (s scenario) payload(symbols *load.Symbols) (load.Payload, error) {
	payload, err := load.NewPayload(symbols.Scopes(s.whole, s.messages))
	if err != nil || !s.anyOrder {
		return payload, err
	}
	return payload.InAnyOrder()
}

func scenarios() []scenario {
	return []scenario{
		{name: "whole packages, 1 at once", whole: true, uploads: 8, atOnce: 1, connections: 1},
		{name: "whole packages, 50 at once", whole: true, uploads: 50, atOnce: 50, connections: 10},
		{name: "function-sized, 1 at once", uploads: 8, atOnce: 1, connections: 1},
		{name: "function-sized, 50 at once", messages: 2000, uploads: 100, atOnce: 50, connections: 10},
		{
			name: "function-sized, 50 at once, from JSON", messages: 2000, uploads: 100, atOnce: 50, connections: 10,
			fromJSON: true,
		},
		{
			name: "function-sized, 50 at once, in any order", messages: 2000, uploads: 100, atOnce: 50, connections: 10,
			anyOrder: true,
		},
		{name: "function-sized, 1,000 at once", messages: 50, uploads: 2000, atOnce: 1000, connections: 100},
		{
			name: "trickling, 100 at once", messages: 50, uploads: 100, atOnce: 100, connections: 10,
			interval: 100 * time.Millisecond,
		},
		{
			name: "open and idle, 1,000 at once", messages: 11, uploads: 1000, atOnce: 1000, connections: 100,
			hold: 5 * time.Second,
		},
		{
			name: "open and idle, 10,000 at once", messages: 11, uploads: 10_000, atOnce: 10_000, connections: 1000,
			hold: 5 * time.Second, alone: true,
		},
		{
			name: "function-sized, 2,000 at once in 256 MiB", messages: 200, uploads: 2000, atOnce: 2000, connections: 200,
			repeats: true, args: smallMemory, alone: true,
		},
		{
			name: "whole packages, 2,000 at once in 256 MiB", whole: true, messages: 6, uploads: 2000, atOnce: 2000,
			connections: 200, repeats: true, args: smallMemory, alone: true,
		},
	}
}
