package activity

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/scopegate/scopegate/server/internal/adminpage"
	"github.com/scopegate/scopegate/server/internal/intake"
)

// latenciesKept is over how many attempts latencies are told.
const latenciesKept = 256

// attempts are those at posting to the intake.
type attempts struct {
	mu        sync.Mutex
	counts    map[intake.Class]int64 // as many as there are classes
	good, bad int64
	slowest   time.Duration // since the last sample
	latencies ring[time.Duration]
	failures  ring[adminpage.Failure]
	failing   streak
	refusing  streak
}

// streak is how often something was so without a break.
type streak struct {
	since time.Time
	count int64
}

func (s *streak) again(now time.Time) {
	if s.count == 0 {
		s.since = now
	}
	s.count++
}

func (s *streak) over() { *s = streak{} }

func newAttempts() attempts {
	return attempts{
		counts:    make(map[intake.Class]int64),
		latencies: newRing[time.Duration](latenciesKept),
		failures:  newRing[adminpage.Failure](failuresKept),
	}
}

// Attempt remembers an attempt that has ended now.
func (r *Recorder) Attempt(a intake.Attempt) { r.attempts.add(time.Now(), a) }

func (a *attempts) add(now time.Time, attempt intake.Attempt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counts[attempt.Class]++
	switch attempt.Class {
	case intake.ClassAccepted:
		a.good++
		a.failing.over()
		a.refusing.over()
	case intake.ClassRefused:
		a.bad++
		a.failing.over()
		a.refusing.again(now)
	case intake.ClassTooLarge: // nothing is wrong with the intake
		a.bad++
		a.failing.over()
	case intake.ClassCancelled: // nor here
		return
	default:
		a.bad++
		a.failing.again(now)
	}
	if attempt.HTTPStatus != 0 {
		a.latencies.put(attempt.Duration)
	}
	a.slowest = max(a.slowest, attempt.Duration)
	if attempt.Class != intake.ClassAccepted {
		a.fail(adminpage.Failure{
			At: now, Since: now, Count: 1, Class: string(attempt.Class), HTTPStatus: attempt.HTTPStatus,
			Reason: keep(attempt.Reason), BatchNum: attempt.BatchNum, Took: attempt.Duration,
		})
	}
}

// fail remembers a failure, with the one before where both are alike.
func (a *attempts) fail(f adminpage.Failure) {
	last := a.failures.newest()
	if last == nil || last.Class != f.Class || last.HTTPStatus != f.HTTPStatus || last.Reason != f.Reason {
		a.failures.put(f)
		return
	}
	f.Since, f.Count = last.Since, last.Count+1
	*last = f
}

// sinceSample returns how many were accepted and how many were not, since the start,
// and the slowest since the last call.
func (a *attempts) sinceSample() (good, bad int64, slowest time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	slowest, a.slowest = a.slowest, 0
	return a.good, a.bad, slowest
}

func (a *attempts) report(to *adminpage.Intake) {
	a.mu.Lock()
	defer a.mu.Unlock()
	to.FailingSince, to.FailedInRow = a.failing.since, a.failing.count
	to.RefusingSince, to.RefusedInRow = a.refusing.since, a.refusing.count
	to.Latency = latency(a.latencies.oldestFirst())
	to.Failures = a.failures.oldestFirst()
	slices.Reverse(to.Failures)
	for class, count := range a.counts {
		to.Attempts = append(to.Attempts, adminpage.Outcome{
			Class: string(class), Good: class == intake.ClassAccepted, Count: count,
		})
	}
	slices.SortFunc(to.Attempts, func(x, y adminpage.Outcome) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Class, y.Class))
	})
}

func latency(took []time.Duration) adminpage.Latency {
	if len(took) == 0 {
		return adminpage.Latency{}
	}
	slices.Sort(took)
	last := len(took) - 1
	return adminpage.Latency{Median: took[last/2], P90: took[last*9/10], Max: took[last], Count: len(took)}
}
