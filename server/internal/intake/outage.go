package intake

import (
	"sync"
	"time"
)

// Outage is a time in which the intake takes nothing, reported when it begins or
// ends. It holds nothing secret.
type Outage struct {
	// Over is whether it has ended: a living intake has answered an attempt.
	Over bool
	// Health is why nothing is sent: [Throttled] or [Down]. [Up] when it is over.
	Health Health
	// FailedAttempts is how many attempts have failed in a row, including those
	// before the intake was left alone.
	FailedAttempts int
	// Lasted is the time since the first of them.
	Lasted time.Duration
	// HTTPStatus and Reason are what the last attempt met, as in [Attempt].
	HTTPStatus int
	Reason     string
	// RetryIn is when something is sent again at the earliest. 0 when it is over.
	RetryIn time.Duration
	// Untold is how many outages were not reported since the last one that was.
	Untold int
}

// outageInterval is the least time between the beginnings of two outages that are
// reported.
const outageInterval = time.Minute

// OnOutage has f called when an outage begins, and again when it ends. At most one
// outage a minute is reported. If another one begins sooner, and still lasts when the
// minute is over, it is reported then; if not, it is only counted, as Untold. The
// goroutines that forward call f, one at a time; while f blocks, one batch waits.
func OnOutage(f func(Outage)) Option { return func(c *Client) { c.turns.outages.report = f } }

// outageLog reports outages in order and one at a time.
type outageLog struct {
	report func(Outage) // nil: nobody wants to know

	mu        sync.Mutex
	outages   outages
	pending   []Outage // not yet reported
	reporting bool     // by a call of deliver
}

// add learns from a post that has ended, and from the breaker as it is now. What
// there is to report waits for deliver.
func (l *outageLog) add(now time.Time, r *postResult, b *breaker) {
	if l.report == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	o, ok := l.outages.add(now, r.health, b.held(now))
	if !ok {
		return
	}
	o.HTTPStatus, o.Reason = r.status, r.reason()
	if o.Over {
		o.Health = Up
	} else {
		o.Health, o.RetryIn = Down, b.wait(now)
		if b.health(now) == Throttled {
			o.Health = Throttled
		}
	}
	l.pending = append(l.pending, o)
}

// deliver reports what is pending, unless another call does so already.
func (l *outageLog) deliver() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reporting {
		return
	}
	l.reporting = true
	defer func() { l.reporting = false }()
	for len(l.pending) > 0 {
		o := l.pending[0]
		l.pending = l.pending[1:]
		l.reportUnlocked(o)
	}
}

func (l *outageLog) reportUnlocked(o Outage) {
	l.mu.Unlock()
	defer l.mu.Lock() // even if report panics
	l.report(o)
}

// outages tells from the results of posts when an outage begins and ends.
type outages struct {
	failed int       // attempts in a row
	since  time.Time // when the first of them ended
	// held is whether batches were held back since, reported whether that was
	// reported.
	held, reported bool
	// next is when another outage may be reported.
	next   time.Time
	untold int
}

// add returns what there is to report of a post that showed h. Held is whether
// batches are held back after it.
func (o *outages) add(now time.Time, h health, held bool) (Outage, bool) {
	switch {
	case h == healthDown:
		if o.failed == 0 {
			o.since = now
		}
		o.failed++
		o.held = o.held || held
		if !held || o.reported || now.Before(o.next) {
			return Outage{}, false
		}
		begun := Outage{FailedAttempts: o.failed, Lasted: now.Sub(o.since), Untold: o.untold}
		o.reported, o.next, o.untold = true, now.Add(outageInterval), 0
		return begun, true
	case h == healthUp && !held:
		was := *o
		*o = outages{next: o.next, untold: o.untold}
		if was.held && !was.reported {
			o.untold++
		}
		return Outage{Over: true, FailedAttempts: was.failed, Lasted: now.Sub(was.since)}, was.reported
	}
	return Outage{}, false
}
