package main

import (
	"runtime/metrics"
	"sync"
	"time"
)

const (
	heapMetric         = "/memory/classes/heap/objects:bytes"
	heapSampleInterval = 5 * time.Millisecond
)

// heapWatch samples how much the heap holds, dead objects that the collector has
// not swept yet included.
type heapWatch struct {
	done      chan struct{}
	stopped   sync.WaitGroup
	peakBytes uint64
}

func watchHeap() *heapWatch {
	w := &heapWatch{done: make(chan struct{})}
	w.stopped.Go(w.sample)
	return w
}

// stop ends the watch and returns the largest sample. It is called once.
func (w *heapWatch) stop() (peakBytes uint64) {
	close(w.done)
	w.stopped.Wait()
	return w.peakBytes
}

func (w *heapWatch) sample() {
	ticker := time.NewTicker(heapSampleInterval)
	defer ticker.Stop()
	samples := []metrics.Sample{{Name: heapMetric}}
	for {
		metrics.Read(samples)
		if samples[0].Value.Kind() == metrics.KindUint64 {
			w.peakBytes = max(w.peakBytes, samples[0].Value.Uint64())
		}
		select {
		case <-w.done:
			return
		case <-ticker.C:
		}
	}
}
