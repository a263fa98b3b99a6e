package intake

import (
	"sync"
	"time"
)

// Outage describes a period in which the intake accepts nothing, at its start or at its
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
	// Unreported counts the outages that were not reported since the last one that was.
	Unreported int
}

// outageInterval is the least time between the starts of two reported outages.
const outageInterval = time.Minute

// OnOutage calls f when an outage starts, and again when it ends. At most one outage a
// minute is reported: one that starts sooner is reported late if it lasts that long,
// and else only counted in Unreported. The goroutines that forward call f, one at a time.
// While f blocks, one batch waits.
func OnOutage(f func(Outage)) Option { return func(c *Client) { c.turns.outages.report = f } }

// outageLog finds the starts and ends of outages in the results of posts, and reports
// them in order and one at a time.
type outageLog struct {
	report func(Outage) // may be nil

	mu         sync.Mutex
	failed     int       // consecutive attempts
	since      time.Time // end of the first of them
	held       bool      // whether batches have been held back since
	reported   bool      // whether that was reported
	next       time.Time // when another outage may be reported
	unreported int
	pending    []Outage
	reporting  bool // whether a call of deliver is running
}

// add records the result of a post. B is the breaker after it.
func (l *outageLog) add(now time.Time, r *postResult, b *breaker) {
	if l.report == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	held := b.held(now)
	if r.health == healthUp && !held {
		if l.reported {
			l.pending = append(l.pending, Outage{
				Over: true, Health: Up, FailedAttempts: l.failed, Lasted: now.Sub(l.since),
				HTTPStatus: r.status, Reason: r.reason(),
			})
		} else if l.held {
			l.unreported++
		}
		l.failed, l.held, l.reported = 0, false, false
	}
	if r.health != healthDown {
		return
	}
	if l.failed == 0 {
		l.since = now
	}
	l.failed++
	l.held = l.held || held
	if !held || l.reported || now.Before(l.next) {
		return
	}
	health := Down
	if b.health(now) == Throttled {
		health = Throttled
	}
	l.pending = append(l.pending, Outage{
		Health: health, FailedAttempts: l.failed, Lasted: now.Sub(l.since),
		HTTPStatus: r.status, Reason: r.reason(), RetryIn: b.wait(now), Unreported: l.unreported,
	})
	l.reported, l.next, l.unreported = true, now.Add(outageInterval), 0
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
		func() {
			l.mu.Unlock()
			defer l.mu.Lock() // even if report panics
			l.report(o)
		}()
	}
}
