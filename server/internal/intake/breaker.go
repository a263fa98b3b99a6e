package intake

import "time"

// breaker decides when an attempt may begin, from how the attempts of all batches
// end. It counts failures in a row while it is closed. At the threshold it opens,
// and nothing is sent for a while. Then it is half-open: one batch is sent as a
// probe, and another one each time that the last has hung for some time. A failed
// probe opens it again, any answer of a living intake closes it.
//
// Apart from its state, a Retry-After holds everything back until it has passed.
//
// Its methods are functions of its fields and of now. It is not safe for
// concurrent use.
type breaker struct {
	threshold     int
	delay         time.Duration // from a failed probe to the next one, on average
	probeInterval time.Duration // from a probe that hangs to the one beside it
	random        func() float64

	state    breakerState
	failures int // in a row
	// probeAt is when the next probe may begin, unless the breaker is closed.
	probeAt time.Time
	// notBefore is the end of the Retry-After.
	notBefore time.Time
	// epoch counts the changes of state. An attempt that began before the last one,
	// and fails, says nothing about now.
	epoch int
}

type breakerState int

const (
	breakerClosed breakerState = iota
	breakerOpen
	breakerHalfOpen
)

// permit is the breaker's permission for one attempt.
type permit struct {
	epoch int
	probe bool
}

// held reports whether batches are held back, except probes.
func (b *breaker) held(now time.Time) bool {
	return b.state != breakerClosed || b.notBefore.After(now)
}

// wait returns how long it takes until an attempt may begin, as of now; 0: it may.
func (b *breaker) wait(now time.Time) time.Duration {
	if b.state == breakerHalfOpen {
		return max(b.leastWait(now), b.probeAt.Sub(now))
	}
	return b.leastWait(now)
}

// leastWait returns what of the wait is certain: a probe that is under way may be
// answered before the next one is due.
func (b *breaker) leastWait(now time.Time) time.Duration {
	wait := b.notBefore.Sub(now)
	if b.state == breakerOpen {
		wait = max(wait, b.probeAt.Sub(now))
	}
	return max(0, wait)
}

// begin returns the permit for an attempt, which end must get. There must be
// nothing to wait for.
func (b *breaker) begin(now time.Time) permit {
	if b.state == breakerClosed {
		return permit{epoch: b.epoch}
	}
	b.become(breakerHalfOpen)
	b.probeAt = now.Add(b.probeInterval)
	return permit{epoch: b.epoch, probe: true}
}

// end records how the attempt ended.
func (b *breaker) end(now time.Time, p permit, v verdict, retryAfter time.Duration) {
	if until := now.Add(retryAfter); v.throttles && until.After(b.notBefore) {
		b.notBefore = until
	}
	if v.health == healthUp { // however old the attempt is: the answer is new
		b.failures = 0
		b.become(breakerClosed)
		return
	}
	if p.epoch != b.epoch {
		return
	}
	switch {
	case v.health == healthDown:
		b.failures++
		if p.probe || b.failures >= b.threshold {
			b.become(breakerOpen)
			b.probeAt = now.Add(time.Duration(float64(b.delay) * (0.75 + b.random()/2)))
		}
	case p.probe: // it was cancelled: another batch may probe at once
		b.probeAt = now
	}
}

func (b *breaker) become(s breakerState) {
	if b.state != s {
		b.state = s
		b.epoch++
	}
}

// health returns what the intake is taken for.
func (b *breaker) health(now time.Time) Health {
	switch {
	case b.notBefore.After(now):
		return Throttled
	case b.state == breakerOpen:
		return Down
	case b.state == breakerHalfOpen:
		return Probing
	}
	return Up
}
