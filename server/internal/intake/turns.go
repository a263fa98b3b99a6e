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

// turns decides which batch is posted next. At most limit are posted at once, in
// the order of the queue, and each only when the breaker lets it through. All
// other batches wait in the queue, during an outage too: then who is next becomes
// the probe. When the intake is back, those that waited start spread over a short
// time.
type turns struct {
	limit   int
	spread  time.Duration
	outages outageLog

	mu      sync.Mutex
	free    int // turns that nobody has
	queue   queue
	breaker breaker
	pace    pace
	// held is what the breaker said last, and changed is closed and replaced when it
	// says something else.
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

// take waits for the caller's turn. It returns a permit to post once, which give
// takes back. It fails when ctx ends or the deadline passes, and at once when the
// intake takes nothing before that. Time that the batch waits while the intake is up
// puts the deadline off. A zero deadline stands for none.
func (t *turns) take(ctx context.Context, caller string, deadline *time.Time) (permit, error) {
	if err := ended(ctx); err != nil {
		return permit{}, err
	}
	w := t.join(caller)
	for {
		p, granted, err := t.await(ctx, w, deadline)
		if granted {
			return p, nil
		}
		if err != nil {
			t.leave(w)
			return permit{}, err
		}
	}
}

// await waits until w has its turn, or batches begin or cease to be held back.
func (t *turns) await(ctx context.Context, w *waiter, deadline *time.Time) (p permit, granted bool, err error) {
	begin := time.Now()
	h := t.hold(begin)
	var passed <-chan time.Time
	switch {
	case h.held && h.outlasts(ctx, *deadline):
		return permit{}, false, errHeld
	case deadline.IsZero():
	case h.held:
		passed = time.After(deadline.Sub(begin))
	default:
		defer func() { *deadline = deadline.Add(time.Since(begin)) }()
	}
	select {
	case p := <-w.granted:
		return p, true, nil
	case <-h.changed:
		return permit{}, false, nil
	case <-passed:
		return permit{}, false, errBatchDeadline
	case <-ctx.Done():
		return permit{}, false, ended(ctx)
	}
}

// give takes a permit back, with the result of the post, and passes the turn on. It
// returns whether batches are held back now.
func (t *turns) give(p permit, r *postResult) (held bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.breaker.end(now, p, r.verdict, r.retryAfter)
	t.outages.add(now, r, &t.breaker)
	t.free++
	t.grant(now)
	return t.held
}

func (t *turns) join(caller string) *waiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.noteHeld(now) // before w counts as one of those that waited
	w := t.queue.push(caller)
	t.grant(now)
	return w
}

// leave takes w out of the queue, or gives back the turn that it has just got.
func (t *turns) leave(w *waiter) {
	t.mu.Lock()
	waited := t.queue.remove(w)
	t.mu.Unlock()
	if !waited {
		t.give(<-w.granted, &postResult{})
	}
}

// grant hands out turns until there is none, or nobody waits, or the next batch must
// wait for the intake. It must be called with mu held.
func (t *turns) grant(now time.Time) {
	t.noteHeld(now)
	for t.queue.count > 0 {
		if wait := max(t.breaker.wait(now), t.pace.wait(now)); wait > 0 {
			t.timer.Reset(wait)
			return
		}
		if t.free == 0 {
			return
		}
		t.free--
		t.pace.begin()
		t.queue.pop().granted <- t.breaker.begin(now)
	}
}

// noteHeld wakes all that wait when batches begin or cease to be held back. It must
// be called with mu held.
func (t *turns) noteHeld(now time.Time) {
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

// hold is whether, and how, batches are held back.
type hold struct {
	held    bool
	until   time.Time       // at least
	changed <-chan struct{} // closed when held no longer applies
}

func (t *turns) hold(now time.Time) hold {
	t.mu.Lock()
	defer t.mu.Unlock()
	return hold{held: t.held, until: now.Add(t.breaker.leastWait(now)), changed: t.changed}
}

// outlasts reports whether ctx or the deadline ends first.
func (h hold) outlasts(ctx context.Context, deadline time.Time) bool {
	callers, limited := ctx.Deadline()
	return limited && !h.until.Before(callers) || !deadline.IsZero() && !h.until.Before(deadline)
}

// pace spreads the starts of batches evenly.
type pace struct {
	left int // batches
	next time.Time
	gap  time.Duration
}

func (p *pace) wait(now time.Time) time.Duration {
	if p.left == 0 {
		return 0
	}
	return max(0, p.next.Sub(now))
}

func (p *pace) begin() {
	if p.left > 0 {
		p.left--
		p.next = p.next.Add(p.gap)
	}
}
