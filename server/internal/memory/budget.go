// Package memory is the one budget of bytes that all stages draw from. Start at [New].
//
// A stage draws the memory that it holds or is about to allocate. Drawing never waits, so
// no stage stops while others wait for it. Between two scopes, where that can't happen, a
// stream calls [Account.Wait]: the accounts that hold most stop there first. When memory
// is short, accounts are squeezed, that is asked to move what they hold out of memory, the
// largest first, and new streams are refused. docs/memory.md describes the steps.
//
// # Why streams can't block each other
//
// If no stream may continue, each holds something that it can give back without more
// memory: a batch that is posted, or will be next; or an open batch, which is squeezed.
// Moving that to the spool needs 16 KiB and, for a moment, its packed JSON; posting it
// early needs the compressed tail, mostly 16 KiB.
//
// The rest can't be squeezed: a scope in hand, the stream and its window, and without a
// spool an upload that must be a single batch. If less than crumbsPercent of the limit can
// be squeezed, the largest waiting stream resumes without room, because it is nearest to
// its end. The next one follows when that one waits again or ends, or at the next look.
//
// The same holds within the limit of each service and tenant. So while the intake accepts
// batches, some stream makes progress. While it does not, all wait in constant memory.
//
// The package only counts bytes. It does not allocate them, and can't limit code that
// does not draw.
package memory

import (
	"math"
	"sync"
	"sync/atomic"
)

// Limits configures a [Budget]. 0 means no limit, except in Bytes.
type Limits struct {
	// Bytes limits the bytes drawn by all. Required.
	Bytes int64
	// Uploads limits the admitted accounts.
	Uploads int
	// ServiceBytes limits the bytes of one service's accounts together.
	ServiceBytes int64
	// ServiceUploads limits the admitted accounts of one service.
	ServiceUploads int
}

const (
	// Above squeezePercent of the budget, accounts are squeezed.
	squeezePercent = 80
	// Above refusePercent of the budget, new accounts are refused. The rest is for
	// admitted accounts.
	refusePercent = 92
	// Above newcomerPercent of the budget, even connections without an account are
	// refused their first.
	newcomerPercent = 110
	// ownerShare limits one owner to this multiple of the free bytes: alone it gets eight
	// ninths of the budget, and the rest lets others begin.
	ownerShare = 8
)

// Budget is a number of bytes to share. It is safe for concurrent use.
type Budget struct {
	limits  Limits
	drawn   atomic.Int64
	peak    atomic.Int64
	waiting atomic.Int64 // accounts in Wait
	paused  atomic.Bool  // whether relief is not nil

	overseen   atomic.Bool   // whether the overseer runs
	nudges     chan struct{} // from passOnResume to the overseer
	goroutines sync.WaitGroup
	stop       chan struct{}
	close      func()

	mu          sync.Mutex
	accounts    map[*Account]struct{}
	owners      map[ownerKey]*owner
	connections map[any]int // accounts that have entered, by connection
	admitted    int
	refused     bool // whether memory was refused since the last look
	counts      Counts
	relief      chan struct{} // nil if no read awaits relief
}

// New returns a budget. Call Close when it is no longer needed.
func New(limits Limits) *Budget {
	b := &Budget{
		limits:      limits,
		nudges:      make(chan struct{}, 1),
		stop:        make(chan struct{}),
		accounts:    map[*Account]struct{}{},
		owners:      map[ownerKey]*owner{},
		connections: map[any]int{},
	}
	b.close = sync.OnceFunc(func() { close(b.stop) })
	return b
}

// Close stops the budget's goroutines and waits until they have ended. What is drawn
// afterwards is only counted, and no account may wait. Closing again does nothing.
func (b *Budget) Close() {
	b.close()
	b.goroutines.Wait()
}

// Draw draws bytes that belong to no account, or gives them back if negative. It never
// waits.
func (b *Budget) Draw(bytes int) {
	drawn := b.drawn.Add(int64(bytes))
	if bytes <= 0 {
		return
	}
	for peak := b.peak.Load(); drawn > peak && !b.peak.CompareAndSwap(peak, drawn); {
		peak = b.peak.Load()
	}
	if b.Squeezing() {
		b.wakeOverseer()
	}
}

// LimitBytes returns Limits.Bytes.
func (b *Budget) LimitBytes() int64 { return b.limits.Bytes }

// DrawnBytes returns the bytes drawn now.
func (b *Budget) DrawnBytes() int64 { return b.drawn.Load() }

// PeakBytes returns the most bytes drawn so far.
func (b *Budget) PeakBytes() int64 { return b.peak.Load() }

// Exceeded reports whether the whole budget or more is drawn.
func (b *Budget) Exceeded() bool { return b.free() <= 0 }

// Waiting returns the number of waiting accounts.
func (b *Budget) Waiting() int { return int(b.waiting.Load()) }

// Squeezing reports whether accounts are being squeezed.
func (b *Budget) Squeezing() bool { return b.drawn.Load() > b.percent(squeezePercent) }

// Refusing reports whether new accounts are refused for lack of memory.
func (b *Budget) Refusing() bool { return b.drawn.Load() > b.percent(refusePercent) }

// SufficientBytes returns the bytes of a budget that would not refuse with what is drawn.
func (b *Budget) SufficientBytes() int64 { return (b.drawn.Load()/refusePercent + 1) * 100 }

// Admitted returns the number of admitted accounts.
func (b *Budget) Admitted() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.admitted
}

func (b *Budget) percent(n int64) int64 { return b.limits.Bytes / 100 * n }

func (b *Budget) free() int64 { return b.limits.Bytes - b.drawn.Load() }

// orNone returns limit, or math.MaxInt if it is not positive.
func orNone(limit int) int {
	if limit <= 0 {
		return math.MaxInt
	}
	return limit
}
