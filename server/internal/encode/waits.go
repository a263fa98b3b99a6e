package encode

import (
	"sync/atomic"
	"time"
)

// waits is how members have waited for compressors.
type waits struct {
	now   atomic.Int64 // that wait
	count atomic.Int64
	nanos atomic.Int64
}

// take takes a compressor, as soon as one is free.
func (p *Pool) take() *compressor {
	select {
	case c := <-p.free:
		return c
	default:
	}
	p.waits.now.Add(1)
	begin := time.Now()
	c := <-p.free
	p.waits.now.Add(-1)
	p.waits.count.Add(1)
	p.waits.nanos.Add(int64(time.Since(begin)))
	return c
}

// PoolState is what a pool's compressors do now, and how members have waited for
// them so far.
type PoolState struct {
	// Compressors is how many there are, and InUse how many are borrowed now.
	Compressors, InUse int
	// Waiting is how many members wait for one now.
	Waiting int
	// Waits counts the chunks that had to wait and have got theirs, and Waited is
	// for how long, all in all.
	Waits  int64
	Waited time.Duration
}

// State returns what the compressors do now.
func (p *Pool) State() PoolState {
	return PoolState{
		Compressors: cap(p.free),
		InUse:       cap(p.free) - len(p.free),
		Waiting:     int(p.waits.now.Load()),
		Waits:       p.waits.count.Load(),
		Waited:      time.Duration(p.waits.nanos.Load()),
	}
}
