// Package memory is the one budget of bytes from which all stages draw what they
// hold. Start at [New].
//
// What is drawn is an account of memory that is or is about to be held. Drawing
// never waits, so that no stage can be stopped where others wait for it. Between
// two scopes, where that can't happen, a stream asks its [Account] to go on,
// [Account.Wait]: those that hold most are stopped first. What they hold is
// squeezed out of memory, the largest first, and new streams are refused.
// docs/architecture.md says why that comes to an end.
//
// The package allocates nothing for those who draw, and enforces no limit on
// those who don't.
package memory

import (
	"math"
	"sync"
	"sync/atomic"
)

// Limits are what the budget bounds. 0 stands for no limit, except in Bytes.
type Limits struct {
	// Bytes is what all may hold together. Required.
	Bytes int64
	// Uploads is how many accounts may be admitted at a time.
	Uploads int
	// CallerBytes is what the accounts of one caller may hold together.
	CallerBytes int64
	// CallerUploads is how many accounts of one caller may be admitted at a time.
	CallerUploads int
}

const (
	// squeezePercent of the budget is where accounts begin to be squeezed.
	squeezePercent = 80
	// refusePercent of the budget is where new accounts are refused. What is above
	// is for those that were admitted.
	refusePercent = 92
	// newcomerPercent of the budget is where connections without an account are
	// refused one too.
	newcomerPercent = 110
	// ownerShare is how many times what is free one owner may hold: alone it
	// gets eight ninths of the budget, and what is left lets others begin.
	ownerShare = 8
)

// Budget is a number of bytes to be shared. It is safe for concurrent use.
type Budget struct {
	limits  Limits
	drawn   atomic.Int64
	peak    atomic.Int64
	waiting atomic.Int64 // accounts in Wait
	paused  atomic.Bool  // somebody is in AwaitRelief

	overseen   atomic.Bool   // the overseer runs
	nudges     chan struct{} // to the overseer: an account has come back
	goroutines sync.WaitGroup
	stop       chan struct{}
	close      func()

	mu          sync.Mutex
	accounts    map[*Account]struct{}
	owners      map[ownerKey]*owner
	connections map[any]int // accounts that have entered, by connection
	admitted    int
	refused     bool // an account, for want of memory, since the last look
	counts      Counts
	relief      chan struct{} // nil: nobody awaits it
}

// New returns a budget. Its Close must be called once anything was drawn.
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

// Close waits until no goroutine of the budget is left. Nobody may draw or wait
// any more. Closing again does nothing.
func (b *Budget) Close() {
	b.close()
	b.goroutines.Wait()
}

// Draw draws a number of bytes for what belongs to no account, or gives them
// back where the number is negative. It never waits.
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

// LimitBytes returns what all may hold together.
func (b *Budget) LimitBytes() int64 { return b.limits.Bytes }

// DrawnBytes returns what is drawn now.
func (b *Budget) DrawnBytes() int64 { return b.drawn.Load() }

// PeakBytes returns the most that was ever drawn.
func (b *Budget) PeakBytes() int64 { return b.peak.Load() }

// Exceeded reports whether more is drawn than there is.
func (b *Budget) Exceeded() bool { return b.free() <= 0 }

// Waiting returns how many accounts wait.
func (b *Budget) Waiting() int { return int(b.waiting.Load()) }

// Squeezing reports whether accounts are asked to hold less.
func (b *Budget) Squeezing() bool { return b.drawn.Load() > b.percent(squeezePercent) }

// Refusing reports whether new accounts are refused for want of memory.
func (b *Budget) Refusing() bool { return b.drawn.Load() > b.percent(refusePercent) }

// Admitted returns how many accounts are admitted.
func (b *Budget) Admitted() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.admitted
}

func (b *Budget) percent(n int64) int64 { return b.limits.Bytes / 100 * n }

func (b *Budget) free() int64 { return b.limits.Bytes - b.drawn.Load() }

// orNone returns a limit, of which 0 stands for none.
func orNone(limit int) int {
	if limit <= 0 {
		return math.MaxInt
	}
	return limit
}
