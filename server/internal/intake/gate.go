package intake

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// errHeld is why a batch was not sent: the intake takes nothing now, and the
// time to try again comes only after the batch's deadline.
var errHeld = errors.New("not sent: the intake takes nothing at present")

// gate lets attempts through to one intake. It is open while the intake takes
// what it gets. It is shut while the intake asks to be left alone (Retry-After),
// and once it is found down, by a circuit breaker. Then a probe is let through
// from time to time, one at a time, and further ones beside a probe that hangs;
// the first that gets an answer of a living intake opens the gate. What has
// waited goes through spread over a short time, and stops where it is when the
// gate shuts again meanwhile.
//
// Of all that wait for the gate one at a time watches when it may probe; the
// others are woken when it opens. So nothing sleeps longer than it is shut.
//
// A pass is of now: it must be used at once. So who has waited at the gate waits
// for a connection without one, and then tries.
type gate struct {
	spread time.Duration
	// probeInterval is the time from a probe that hangs to the one beside it.
	probeInterval time.Duration

	mu      sync.Mutex
	breaker circuitbreaker.CircuitBreaker[any]
	// epoch counts the breaker's changes of state. An attempt that was let
	// through before the last one, and fails, says nothing about now.
	epoch uint64
	// until is before when the intake wants to see nobody.
	until time.Time
	// nextProbe is when another probe is let through beside one that hangs.
	nextProbe time.Time
	// opened is closed, and replaced, when what waits shall go through.
	opened chan struct{}
	// seat holds a token while someone watches; nudge makes them look again.
	seat, nudge chan struct{}
	// outages is what is known of the intake's, news what of it is still to be told,
	// and telling tells that someone tells it to onOutage, without mu.
	outages  outages
	news     []Outage
	telling  bool
	onOutage func(Outage)
}

func newGate(r Retry, probeInterval time.Duration) *gate {
	return &gate{
		spread:        r.BreakerDelay,
		probeInterval: probeInterval,
		breaker: circuitbreaker.NewBuilder[any]().
			WithFailureThreshold(uint(r.BreakerFailureThreshold)).
			WithSuccessThreshold(1).
			WithDelay(r.BreakerDelay).
			WithJitterFactor(0.25).
			Build(),
		opened: make(chan struct{}),
		seat:   make(chan struct{}, 1),
		nudge:  make(chan struct{}, 1),
	}
}

// pass is the permission for one attempt. It has to be given back by report.
type pass struct {
	epoch uint64
	probe bool
}

// hold is why the gate is not open, as of now.
type hold struct {
	// wait is when to look again, at the latest; 0: a probe is due.
	wait time.Duration
	// wake is closed when the gate opens.
	wake <-chan struct{}
	// certain: there won't be a pass any earlier, as far as anyone knows.
	certain bool
}

// tooLong tells that the context's deadline comes before there is a pass.
func (h hold) tooLong(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return h.certain && limited && time.Until(deadline) <= h.wait
}

// await waits until the gate is open, or the caller may probe: then the caller is
// the one that watches, until it calls unwatch. What await saw may be over soon;
// the pass comes from try. Where the gate is not open, it fails with the context's
// error, or at once with errHeld where the context's deadline is before it can open.
func (g *gate) await(ctx context.Context) (watches bool, err error) {
	for {
		h, open := g.look(time.Now())
		switch {
		case open:
			return false, nil
		case ctx.Err() != nil:
			return false, ctx.Err()
		case h.tooLong(ctx):
			return false, errHeld
		}
		select {
		case g.seat <- struct{}{}:
			due, err := g.watch(ctx)
			if due {
				return true, nil
			}
			g.unwatch()
			if err != nil {
				return false, err
			}
		case <-h.wake:
		case <-ctx.Done():
			return false, ctx.Err()
		}
		g.settle(ctx)
	}
}

// watch waits until a probe is due, or everybody may go through; then it has
// woken the others.
func (g *gate) watch(ctx context.Context) (due bool, err error) {
	for {
		h, open := g.look(time.Now())
		switch {
		case open:
			g.mu.Lock()
			defer g.mu.Unlock()
			g.wake()
			return false, nil
		case ctx.Err() != nil:
			return false, ctx.Err()
		case h.wait <= 0:
			return true, nil
		case h.tooLong(ctx):
			return false, errHeld
		}
		timer := time.NewTimer(h.wait)
		select {
		case <-timer.C:
		case <-g.nudge:
		case <-h.wake:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// unwatch has someone else watch.
func (g *gate) unwatch() { <-g.seat }

// settle waits for a random part of the spread, if the deadline allows.
func (g *gate) settle(ctx context.Context) {
	wait := rand.N(g.spread) //nolint:gosec // spreads load, guards nothing
	if (hold{wait: wait, certain: true}).tooLong(ctx) {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// look returns whether the gate is open, or why it is not.
func (g *gate) look(now time.Time) (h hold, open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if wait := g.until.Sub(now); wait > 0 {
		return hold{wait: wait, wake: g.opened, certain: true}, false
	}
	switch g.breaker.State() {
	case circuitbreaker.ClosedState:
		return hold{}, true
	case circuitbreaker.OpenState:
		return hold{wait: g.breaker.RemainingDelay(), wake: g.opened, certain: true}, false
	case circuitbreaker.HalfOpenState:
	}
	return hold{wait: max(0, g.nextProbe.Sub(now)), wake: g.opened}, false
}

// try returns a pass, if there is one now.
func (g *gate) try(now time.Time) (pass, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.until.After(now) {
		return pass{}, false
	}
	before := g.breaker.State()
	allowed := g.breaker.TryAcquirePermit()
	g.follow(before)
	switch g.breaker.State() {
	case circuitbreaker.ClosedState:
		return pass{epoch: g.epoch}, true
	case circuitbreaker.OpenState:
		return pass{}, false
	case circuitbreaker.HalfOpenState:
	}
	if !allowed && now.Before(g.nextProbe) {
		return pass{}, false
	}
	g.nextProbe = now.Add(g.probeInterval)
	return pass{epoch: g.epoch, probe: true}, true
}

// report gives a pass back with how its attempt has ended. It returns whether the
// gate lets everybody through. Then tell has to be called.
func (g *gate) report(p pass, end *attemptEnd) (open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if until := now.Add(end.asked); end.throttles && until.After(g.until) {
		g.until = until
	}
	before := g.breaker.State()
	switch h := end.health; {
	case h == healthUp && before == circuitbreaker.ClosedState:
		g.breaker.RecordSuccess()
	case h == healthUp: // however old the attempt is: it was answered just now
		g.breaker.Close()
		g.wake()
	case h == healthDown && p.epoch == g.epoch:
		g.breaker.RecordFailure()
		g.lookAgain() // the probe does not hang
	case h == healthUnknown && p.probe && p.epoch == g.epoch:
		g.nextProbe = time.Time{} // someone else shall probe instead
		g.lookAgain()
	}
	g.follow(before)
	g.note(now, end)
	return g.breaker.IsClosed() && !g.until.After(now)
}

// lookAgain has the one that watches look again.
func (g *gate) lookAgain() {
	select {
	case g.nudge <- struct{}{}:
	default:
	}
}

func (g *gate) follow(before circuitbreaker.State) {
	if g.breaker.State() != before {
		g.epoch++
	}
}

func (g *gate) wake() {
	close(g.opened)
	g.opened = make(chan struct{})
}
