package intake

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// errHeld means that the intake takes nothing now, and that the batch's or the
// caller's deadline comes before the next attempt may begin.
var errHeld = errors.New("not sent: the intake takes nothing at present")

// turns decides which batch is posted next. It posts at most limit batches at once,
// in the order of the queue, and each only when the breaker admits it. All others
// wait in the queue. During an outage the first in the queue becomes the probe. After
// it, the batches that waited start spread over a short time.
type turns struct {
	limit   int
	spread  time.Duration
	outages outageLog

	mu      sync.Mutex
	free    int // turns not in use
	queue   queue
	breaker breaker
	pace    pace
	// held is what breaker.held returned last. When that changes, changed is closed
	// and replaced.
	held    bool
	changed chan struct{}
	// timer calls grant when the next batch may start.
	timer *time.Timer
}

func newTurns(c Config) *turns {
	t := &turns{
		limit:  c.MaxConnections,
		spread: c.Retry.BreakerDelay,
		free:   c.MaxConnections,
		breaker: breaker{
			threshold:     c.Retry.BreakerFailureThreshold,
			delay:         c.Retry.BreakerDelay,
			probeInterval: c.probeInterval(),
			random:        rand.Float64,
		},
		changed: make(chan struct{}),
	}
	t.timer = time.AfterFunc(time.Hour, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.grant(time.Now())
	})
	t.timer.Stop()
	return t
}

// acquire waits for the caller's turn and returns a permit to post once; release
// takes it back. It fails when ctx ends or the deadline passes, and at once if nothing
// can be sent before that. While the intake is up, waiting moves the deadline on. A
// zero deadline means none.
func (t *turns) acquire(ctx context.Context, caller string, deadline *time.Time) (permit, error) {
	if err := contextErr(ctx); err != nil {
		return permit{}, err
	}
	w := t.enqueue(caller)
	for {
		p, granted, err := t.await(ctx, w, deadline)
		if granted {
			return p, nil
		}
		if err != nil {
			t.abandon(w)
			return permit{}, err
		}
	}
}

// await waits until w is granted a turn, or held changes. The deadline only counts
// while batches are held back.
func (t *turns) await(ctx context.Context, w *waiter, deadline *time.Time) (p permit, granted bool, err error) {
	start := time.Now()
	h := t.hold(start)
	var passed <-chan time.Time
	switch {
	case h.held && h.outlasts(ctx, *deadline):
		return permit{}, false, errHeld
	case deadline.IsZero():
	case h.held:
		passed = time.After(deadline.Sub(start))
	default:
		defer func() { *deadline = deadline.Add(time.Since(start)) }()
	}
	select {
	case p := <-w.granted:
		return p, true, nil
	case <-h.changed:
		return permit{}, false, nil
	case <-passed:
		return permit{}, false, errBatchDeadline
	case <-ctx.Done():
		return permit{}, false, contextErr(ctx)
	}
}

// release returns a permit with the result of the post, and grants the turn to the
// next batch. It reports whether batches are held back now.
func (t *turns) release(p permit, r *postResult) (held bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.breaker.record(now, p, r.verdict, r.retryAfter)
	t.outages.add(now, r, &t.breaker)
	t.free++
	t.grant(now)
	return t.held
}

func (t *turns) enqueue(caller string) *waiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.updateHeld(now) // first, as w has not waited
	w := t.queue.push(caller)
	t.grant(now)
	return w
}

// abandon removes w from the queue, or releases its turn if that was just granted.
func (t *turns) abandon(w *waiter) {
	t.mu.Lock()
	waited := t.queue.remove(w)
	t.mu.Unlock()
	if !waited {
		t.release(<-w.granted, &postResult{})
	}
}

// grant hands out the free turns to the next batches in the queue. If the breaker or
// the pace makes them wait, the timer calls it again. The caller must hold mu.
func (t *turns) grant(now time.Time) {
	t.updateHeld(now)
	for t.queue.count > 0 {
		if wait := max(t.breaker.wait(now), t.pace.wait(now)); wait > 0 {
			t.timer.Reset(wait)
			return
		}
		if t.free == 0 {
			return
		}
		t.free--
		t.pace.advance()
		t.queue.pop().granted <- t.breaker.admit(now)
	}
}

// updateHeld wakes the waiting batches if held has changed, and sets the pace if they
// are no longer held back. The caller must hold mu.
func (t *turns) updateHeld(now time.Time) {
	held := t.breaker.held(now)
	if held == t.held {
		return
	}
	t.held = held
	close(t.changed)
	t.changed = make(chan struct{})
	if count := t.queue.count; !held && count > 0 {
		gap := t.spread / time.Duration(count)
		t.pace = pace{left: count, gap: gap, next: now.Add(time.Duration(t.breaker.random() * float64(gap)))}
	}
}

// hold reports whether batches are held back.
type hold struct {
	held    bool
	until   time.Time       // the earliest possible end
	changed <-chan struct{} // closed when held changes
}

func (t *turns) hold(now time.Time) hold {
	t.mu.Lock()
	defer t.mu.Unlock()
	return hold{held: t.held, until: now.Add(t.breaker.leastWait(now)), changed: t.changed}
}

// outlasts reports whether the hold lasts beyond ctx's deadline or the batch's.
func (h hold) outlasts(ctx context.Context, deadline time.Time) bool {
	callerDeadline, ok := ctx.Deadline()
	return ok && !h.until.Before(callerDeadline) || !deadline.IsZero() && !h.until.Before(deadline)
}

// pace spaces out the starts of batches evenly.
type pace struct {
	left int // batches still to start
	next time.Time
	gap  time.Duration
}

func (p *pace) wait(now time.Time) time.Duration {
	if p.left == 0 {
		return 0
	}
	return max(0, p.next.Sub(now))
}

func (p *pace) advance() {
	if p.left > 0 {
		p.left--
		p.next = p.next.Add(p.gap)
	}
}
