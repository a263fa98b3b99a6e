package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	// gcPercent is the garbage collector's target while the heap is small, unless GOGC is
	// set: the garbage it leaves until the next collection, in percent of the live heap.
	gcPercent = 50
	// maxGarbageBytes is the most garbage it leaves, down to minGCPercent. A large live
	// heap belongs to many uploads that mostly wait, and make little.
	maxGarbageBytes = 24 << 20
	minGCPercent    = 10
)

// paceCollector sets the garbage collector's target, now and after each collection.
var paceCollector = sync.OnceFunc(func() {
	debug.SetGCPercent(gcPercent)
	afterCollection(func() { debug.SetGCPercent(collectorTarget(liveBytes())) })
})

// collectorTarget returns the target for a live heap.
func collectorTarget(liveBytes uint64) int {
	return int(max(minGCPercent, min(gcPercent, maxGarbageBytes*100/max(1, liveBytes))))
}

// liveBytes returns the memory that the garbage collector's target is a percentage of, as of
// the last collection.
func liveBytes() (sum uint64) {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(samples)
	for _, sample := range samples {
		sum += sample.Value.Uint64()
	}
	return sum
}

// afterCollection calls f after each garbage collection: each finds another piece of garbage.
func afterCollection(f func()) {
	garbage := new([1]*byte)
	runtime.AddCleanup(garbage, func(f func()) {
		f()
		afterCollection(f)
	}, f)
}
