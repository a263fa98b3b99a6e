package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/scopegate/scopegate/server/internal/intake"
)

// Reasons to drop a batch that do not come from the intake.
var (
	errNoRoom = errors.New("no room in the queue")
	errMemory = errors.New("the server is short of memory")
)

// lane is the queue of one intake.
type lane struct {
	Intake
	limit int64
	wake  chan struct{} // holds a token if the queue may not be empty

	mu    sync.Mutex
	queue []*parcel // oldest first
	bytes int64     // in the queue and being posted
}

// add appends the parcel if there is room.
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

// pop removes and returns the oldest parcel, or nil if there is none.
func (l *lane) pop() *parcel {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		l.queue = nil // frees the array
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

// retain returns the waiting parcels. The caller must release each.
func (l *lane) retain() []*parcel {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.queue {
		p.refs.Add(1)
	}
	return slices.Clone(l.queue)
}

// remove removes the parcel and reports whether it was still waiting.
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

func (l *lane) addBytes(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes += n
}

// forward forwards the parcel. It turns a panic into an error, because a worker must not
// end the process.
func (l *lane) forward(ctx context.Context, p *parcel) (outcome Outcome, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			outcome, err = Dropped, fmt.Errorf("panic: %v", panicked)
		}
	}()
	err = l.Client.Forward(ctx, p.caller, p.batch)
	failure, ok := errors.AsType[*intake.Error](err)
	switch {
	case err == nil:
		return Accepted, nil
	case ok && !failure.Retryable():
		return Refused, err
	}
	return Dropped, err
}
