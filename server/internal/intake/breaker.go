package intake

import "time"

// Health is the state of an intake as its client sees it. Nothing probes an intake
// while no batch waits, so Down and Probing last until the next upload, even if the intake
// has been up again for long.
type Health string

// The states of an intake.
const (
	// Up accepts batches, or refuses them for themselves.
	Up Health = "up"
	// Throttled has asked for a pause with Retry-After.
	Throttled Health = "throttled"
	// Down has failed so often in a row that nothing is sent for a while.
	Down Health = "down"
	// Probing was down, and is sent one batch at a time to find out whether it is up
	// again.
	Probing Health = "probing"
)

// breaker decides when an attempt may start, from the results of the attempts of all
// batches. While closed it admits everything and counts consecutive failures. At the
// threshold it opens and admits nothing for probeDelay. Then it is half-open: it admits
// one probe, and another one whenever the last has been hanging for hungProbeDelay. A
// failed probe opens it again. Any answer that shows the intake is up closes it.
//
// In every state, a Retry-After holds all batches back until it has passed.
//
// The methods depend on the fields and on now alone. They are not safe for concurrent
// use.
type breaker struct {
	threshold      int
	probeDelay     time.Duration  // between a failed probe and the next one, ±25%
	hungProbeDelay time.Duration  // between a probe that hangs and the next one
	random         func() float64 // in [0, 1)

	state    breakerState
	failures int // consecutive
	// probeAt is when the next probe may start, if the breaker is not closed.
	probeAt time.Time
	// notBefore is when the Retry-After has passed.
	notBefore time.Time
	// epoch counts the changes of state. The failure of an attempt from an earlier
	// epoch says nothing about the intake now.
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

// held reports whether batches other than probes are held back.
func (b *breaker) held(now time.Time) bool {
	return b.state != breakerClosed || b.notBefore.After(now)
}

// wait returns how long until an attempt may start; 0 means now.
func (b *breaker) wait(now time.Time) time.Duration {
	if b.state == breakerHalfOpen {
		return max(b.leastWait(now), b.probeAt.Sub(now))
	}
	return b.leastWait(now)
}

// leastWait is like wait, but does not assume that a probe in flight hangs.
func (b *breaker) leastWait(now time.Time) time.Duration {
	wait := b.notBefore.Sub(now)
	if b.state == breakerOpen {
		wait = max(wait, b.probeAt.Sub(now))
	}
	return max(0, wait)
}

// admit returns a permit for one attempt. Call it only if wait returns 0, and pass
// the permit to record when the attempt has ended.
func (b *breaker) admit(now time.Time) permit {
	if b.state == breakerClosed {
		return permit{epoch: b.epoch}
	}
	b.become(breakerHalfOpen)
	b.probeAt = now.Add(b.hungProbeDelay)
	return permit{epoch: b.epoch, probe: true}
}

// record learns from the result of an attempt.
func (b *breaker) record(now time.Time, p permit, v verdict, retryAfter time.Duration) {
	if until := now.Add(retryAfter); v.throttles && until.After(b.notBefore) {
		b.notBefore = until
	}
	if v.health == healthUp { // from any epoch: the answer came just now
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
			b.probeAt = now.Add(time.Duration(float64(b.probeDelay) * (0.75 + b.random()/2)))
		}
	case p.probe: // it ended on our side, so another batch may probe at once
		b.probeAt = now
	}
}

func (b *breaker) become(s breakerState) {
	if b.state != s {
		b.state = s
		b.epoch++
	}
}

// health returns the state of the intake as the breaker sees it.
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
