package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	// gcPercent is the garbage collector's target while the heap is small, unless GOGC is
	// set: the garbage it leaves until the next collection, in percent of what is live.
	gcPercent = 30
	// maxGarbageBytes is the most garbage by which it lets the heap outgrow its largest
	// size so far, down to minGCPercent. A large live heap belongs to many uploads, which
	// mostly wait and make little garbage.
	maxGarbageBytes = 16 << 20
	minGCPercent    = 10
)

// paceCollector sets the garbage collector's target, now and after each collection.
var paceCollector = sync.OnceFunc(func() {
	debug.SetGCPercent(gcPercent)
	var c collector
	afterCollection(func() { debug.SetGCPercent(c.target(readLive())) })
})

// collector finds the garbage collector's target.
type collector struct {
	goalBytes uint64 // the size of the heap at which the next collection begins
}

// target returns the target after a collection. The heap may become as large as it was
// before: its memory is mostly not returned yet.
func (c *collector) target(l live) int {
	garbage := uint64(maxGarbageBytes)
	if c.goalBytes > l.heapBytes {
		garbage = max(garbage, c.goalBytes-l.heapBytes)
	}
	percent := max(minGCPercent, min(gcPercent, garbage*100/max(1, l.bytes)))
	c.goalBytes = l.heapBytes + l.bytes*percent/100
	return int(percent)
}

// live is the live memory at the last collection.
type live struct {
	heapBytes uint64
	bytes     uint64 // that the target is a percentage of: heap, stacks and global variables
}

func readLive() live {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(samples)
	l := live{heapBytes: samples[0].Value.Uint64()}
	for _, sample := range samples {
		l.bytes += sample.Value.Uint64()
	}
	return l
}

// afterCollection calls f after each garbage collection, by a cleanup of a new piece of
// garbage.
func afterCollection(f func()) {
	garbage := new([1]*byte)
	runtime.AddCleanup(garbage, func(f func()) {
		f()
		afterCollection(f)
	}, f)
}
