package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/scopegate/scopegate/server/internal/intake"
)

// Why a batch is dropped, where the intake has no part in it.
var (
	errNoRoom = errors.New("no room in the queue")
	errMemory = errors.New("the server is short of memory")
)

// lane is the queue of one intake.
type lane struct {
	Intake
	limit int64
	// wake holds a token when there may be something to take.
	wake chan struct{}

	mu    sync.Mutex
	queue []*parcel // what waits, the oldest first
	bytes int64     // of what waits and what is on its way
}

// add appends the parcel, if there is room.
func (l *lane) add(p *parcel) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bytes+p.bytes > l.limit {
		return false
	}
	l.bytes += p.bytes
	l.queue = append(l.queue, p)
	l.signal()
	return true
}

func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// next takes the oldest parcel; nil where there is none.
func (l *lane) next() *parcel {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		l.queue = nil // and with it the room of what was taken
		return nil
	}
	p := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	if len(l.queue) > 0 {
		l.signal() // for another worker
	}
	return p
}

func (l *lane) empty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) == 0
}

// hold returns the parcels that wait, which each have to be released once more.
func (l *lane) hold() []*parcel {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.queue {
		p.holders.Add(1)
	}
	return slices.Clone(l.queue)
}

// remove takes the parcel out, if it still waits.
func (l *lane) remove(p *parcel) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.queue, p)
	if i < 0 {
		return false
	}
	l.queue = slices.Delete(l.queue, i, i+1)
	l.bytes -= p.bytes
	return true
}

// done makes room for what was on its way.
func (l *lane) done(p *parcel) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes -= p.bytes
}

// forward takes the parcel to the intake. A panic is an error, as nobody else
// would catch it.
func (l *lane) forward(ctx context.Context, p *parcel) (outcome Outcome, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			outcome, err = Dropped, fmt.Errorf("panic: %v", panicked)
		}
	}()
	err = l.Client.ForwardFor(ctx, p.from, p.batch)
	failure, ok := errors.AsType[*intake.Error](err)
	switch {
	case err == nil:
		return Accepted, nil
	case ok && !failure.Retryable():
		return Refused, err
	}
	return Dropped, err
}
