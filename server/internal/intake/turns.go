package intake

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// errHeld means that the intake is down or throttled until after the batch's or the caller's
// deadline.
var errHeld = errors.New("not sent: the intake is down or throttling")

// heldError is errHeld with the time until the next attempt may start.
type heldError struct{ wait time.Duration }

func (*heldError) Error() string { return errHeld.Error() }

func (*heldError) Unwrap() error { return errHeld }

// turns decides which batch is posted next. It posts at most limit batches at once,
// in the order of the queue, and each only when the breaker admits it. All others
// wait in the queue. During an outage the first in the queue becomes the probe. After
// it, the batches that waited start spread over a short time.
type turns struct {
	limit   int
	spread  time.Duration
	outages outageLog

	mu   sync.Mutex
	free int // turns not in use
	// silentSince is the time since which turns are in use without any answer; zero while
	// none is in use.
	silentSince time.Time
	queue       queue
	breaker     breaker
	pace        pace
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
		spread: c.Retry.ProbeDelay,
		free:   c.MaxConnections,
		breaker: breaker{
			threshold:  c.Retry.BreakerFailureThreshold,
			probeDelay: c.Retry.ProbeDelay,
			// Probes that all hang until their timeout must leave a turn free.
			hungProbeDelay: max(c.Retry.ProbeDelay, c.PostTimeout/time.Duration(c.MaxConnections)),
			random:         rand.Float64,
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
// can be sent before that. A zero deadline means none. The deadline only counts while
// batches are held back; otherwise waiting postpones it.
func (t *turns) acquire(ctx context.Context, caller string, deadline *time.Time) (permit, error) {
	if err := contextErr(ctx); err != nil {
		return permit{}, err
	}
	w := t.enqueue(caller)
	for {
		start := time.Now()
		held, until, changed := t.hold(start)
		var passed <-chan time.Time
		if held {
			callerDeadline, ok := ctx.Deadline()
			if ok && !until.Before(callerDeadline) || !deadline.IsZero() && !until.Before(*deadline) {
				t.abandon(w)
				return permit{}, &heldError{wait: until.Sub(start)}
			}
			if !deadline.IsZero() {
				passed = time.After(deadline.Sub(start))
			}
		}
		var p permit
		var err error
		granted := false
		select {
		case p = <-w.granted:
			granted = true
		case <-changed:
		case <-passed:
			err = errBatchDeadline
		case <-ctx.Done():
			err = contextErr(ctx)
		}
		if !held && !deadline.IsZero() {
			*deadline = deadline.Add(time.Since(start))
		}
		if err != nil {
			t.abandon(w)
		}
		if granted || err != nil {
			return p, err
		}
	}
}

// hold reports whether batches are held back, and until when at least. Changed is closed
// when held changes.
func (t *turns) hold(now time.Time) (held bool, until time.Time, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.held, now.Add(t.breaker.leastWait(now)), t.changed
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
	switch {
	case t.free == t.limit:
		t.silentSince = time.Time{}
	case r.status != 0:
		t.silentSince = now
	}
	t.grant(now)
	return t.held
}

func (t *turns) enqueue(caller string) *waiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.updateHeld(now) // before push, because w has not waited
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
		if t.free == t.limit {
			t.silentSince = now
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
