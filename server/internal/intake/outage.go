package intake

import "time"

// Outage is a time in which the intake was found to take nothing, as of its
// beginning or its end. It holds nothing that must stay secret.
type Outage struct {
	// Over tells that it is over: an attempt has got the answer of a living intake.
	Over bool
	// Health is why nothing is sent: [Throttled] or [Down]. [Up] where it is over.
	Health Health
	// FailedAttempts is how many attempts have failed in a row, those before the
	// intake was left alone included.
	FailedAttempts int
	// Lasted is the time since the first of them.
	Lasted time.Duration
	// HTTPStatus and Reason are what the last attempt has met, as in [Attempt].
	HTTPStatus int
	Reason     string
	// RetryIn is when something is sent again at the earliest. 0 where it is over.
	RetryIn time.Duration
	// Untold is how many outages there were since the last one that was told.
	Untold int
}

// outageInterval is the least time between the beginnings of two outages that are
// told.
const outageInterval = time.Minute

// OnOutage has f called when the intake is found to take nothing, and when it is
// back, in this order. An outage is told once at most, and no more than one a
// minute: of one that begins earlier f hears when it still goes on a minute behind
// the last, else never, but for their number. It is called from the goroutines that
// forward, one at a time; while it blocks, a batch does not get on.
func OnOutage(f func(Outage)) Option { return func(c *Client) { c.gate.onOutage = f } }

// outages finds out from the ends of attempts what there is to tell of an intake.
type outages struct {
	failed int       // attempts in a row
	since  time.Time // of the first of them
	// on tells that the gate was shut since, and told that this was told.
	on, told bool
	// next is before when no other outage is told.
	next   time.Time
	untold int
}

// add returns what is to be told of an attempt that has shown h, and behind which
// the gate is shut, or not.
func (o *outages) add(now time.Time, h health, shut bool) (Outage, bool) {
	switch {
	case h == healthDown:
		if o.failed == 0 {
			o.since = now
		}
		o.failed++
		o.on = o.on || shut
		if !shut || o.told || now.Before(o.next) {
			return Outage{}, false
		}
		begun := Outage{FailedAttempts: o.failed, Lasted: now.Sub(o.since), Untold: o.untold}
		o.told, o.next, o.untold = true, now.Add(outageInterval), 0
		return begun, true
	case h == healthUp && !shut:
		was := *o
		*o = outages{next: o.next, untold: o.untold}
		if was.on && !was.told {
			o.untold++
		}
		return Outage{Over: true, FailedAttempts: was.failed, Lasted: now.Sub(was.since)}, was.told
	}
	return Outage{}, false
}

// note has what the attempt means for the intake's outages told by tell. It must be
// called with mu held.
func (g *gate) note(now time.Time, end *attemptEnd) {
	if g.onOutage == nil {
		return
	}
	spared := g.until.Sub(now)
	told, ok := g.outages.add(now, end.health, spared > 0 || !g.breaker.IsClosed())
	if !ok {
		return
	}
	told.HTTPStatus, told.Reason = end.status, end.reason()
	switch {
	case told.Over:
		told.Health = Up
	case spared > 0:
		told.Health, told.RetryIn = Throttled, max(spared, g.breaker.RemainingDelay())
	default:
		told.Health, told.RetryIn = Down, g.breaker.RemainingDelay()
	}
	g.news = append(g.news, told)
}

// tell tells of what is noted, in that order, unless someone else is at it, who then
// does.
func (g *gate) tell() {
	for told, ok := g.nextNews(false); ok; told, ok = g.nextNews(true) {
		g.onOutage(told)
	}
}

// nextNews returns what is to be told next by the caller, who is telling already or
// begins to; then it must be called again.
func (g *gate) nextNews(telling bool) (next Outage, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.telling && !telling {
		return Outage{}, false
	}
	g.telling = len(g.news) > 0
	if !g.telling {
		g.news = nil
		return Outage{}, false
	}
	next, g.news = g.news[0], g.news[1:]
	return next, true
}
