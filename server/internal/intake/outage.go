package intake

import (
	"sync"
	"time"
)

// Outage describes a time in which the intake accepts nothing, as of its start or its
// end. It contains no secrets.
type Outage struct {
	// Over reports whether the outage has ended: the intake is answering again.
	Over bool
	// Health is why nothing is sent, [Throttled] or [Down]; [Up] once it is over.
	Health Health
	// FailedAttempts counts the consecutive failed attempts, including those before
	// batches were held back.
	FailedAttempts int
	// Lasted is the time since the first failed attempt.
	Lasted time.Duration
	// HTTPStatus and Reason describe the last attempt, as in [Attempt].
	HTTPStatus int
	Reason     string
	// RetryIn is the time until the next attempt may start; 0 once it is over.
	RetryIn time.Duration
	// Untold counts the outages that were not reported since the last one that was.
	Untold int
}

// outageInterval is the least time between the starts of two reported outages.
const outageInterval = time.Minute

// OnOutage calls f when an outage starts, and again when it ends. At most one outage a
// minute is reported: one that starts sooner is reported late if it lasts that long,
// and else only counted in Untold. The goroutines that forward call f, one at a time.
// While f blocks, one batch waits.
func OnOutage(f func(Outage)) Option { return func(c *Client) { c.turns.outages.report = f } }

// outageLog reports outages in order and one at a time.
type outageLog struct {
	report func(Outage) // may be nil

	mu        sync.Mutex
	outages   outages
	pending   []Outage // not yet reported
	reporting bool     // a call of deliver is at it
}

// add records the result of a post, and the state of the breaker after it. If there is
// something to report, it becomes pending.
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

// deliver reports what is pending, unless another call is doing so.
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

// outages detects from the results of posts when an outage starts and ends.
type outages struct {
	failed int       // consecutive attempts
	since  time.Time // end of the first of them
	// held and reported say whether batches were held back since then, and whether
	// that was reported.
	held, reported bool
	// next is when another outage may be reported.
	next   time.Time
	untold int
}

// add records that a post showed h, and whether batches are held back after it. It
// returns the start or end of an outage if there is one to report.
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
		started := Outage{FailedAttempts: o.failed, Lasted: now.Sub(o.since), Untold: o.untold}
		o.reported, o.next, o.untold = true, now.Add(outageInterval), 0
		return started, true
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
