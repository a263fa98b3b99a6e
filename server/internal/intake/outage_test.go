package intake_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/server/internal/intake"
)

// outages collects the reports of OnOutage, and when they came.
type outages struct {
	mu    sync.Mutex
	list  []intake.Outage
	times []time.Time
}

func (o *outages) add(outage intake.Outage) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list, o.times = append(o.list, outage), append(o.times, time.Now())
}

func (o *outages) all() []intake.Outage {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]intake.Outage(nil), o.list...)
}

// An outage of ten minutes with many waiting uploads is reported when it starts and when
// it ends, and not in between.
func TestOutageIsReportedTwice(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		dead     func() reply
		health   intake.Health
		status   int
		reason   string
		leastRow int
		retryIn  [2]time.Duration
	}{
		"unreachable":  {func() reply { return failing(errRefused) }, intake.Down, 0, "connection refused", 10, [2]time.Duration{750 * time.Millisecond, 1250 * time.Millisecond}},
		"answers 503":  {func() reply { return status(503) }, intake.Down, 503, "because", 10, [2]time.Duration{750 * time.Millisecond, 1250 * time.Millisecond}},
		"Retry-After":  {func() reply { return later(503, "20") }, intake.Throttled, 503, "because", 1, [2]time.Duration{20 * time.Second, 20 * time.Second}},
		"asked by 429": {func() reply { return later(429, "20") }, intake.Throttled, 429, "because", 1, [2]time.Duration{20 * time.Second, 20 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var alive atomic.Bool
				m := &model{latency: time.Millisecond}
				m.answer = func(int) reply {
					if alive.Load() {
						return status(200)
					}
					return test.dead()
				}
				var reports outages
				client := modelClient(t, m, nil, intake.OnOutage(reports.add))
				begin := time.Now()
				accepted := forwardMany(t, client, 100, smallBatch())
				<-time.After(10 * time.Minute)
				got := reports.all()
				if len(got) != 1 {
					t.Fatalf("%d reports: %+v, want 1", len(got), got)
				}
				begun := got[0]
				if begun.Over || begun.Health != test.health || begun.HTTPStatus != test.status || begun.FailedAttempts < test.leastRow ||
					begun.FailedAttempts > 16 || !strings.Contains(begun.Reason, test.reason) || strings.Contains(begun.Reason, "secret") {
					t.Errorf("at its start: %+v, want %+v", begun, test)
				}
				if begun.RetryIn < test.retryIn[0] || begun.RetryIn > test.retryIn[1] {
					t.Errorf("retry in %v, want %v", begun.RetryIn, test.retryIn)
				}
				if after := reports.times[0].Sub(begin); after > time.Second {
					t.Errorf("reported after %v, want within a second", after)
				}
				failed := m.count()
				alive.Store(true)
				accepted.Wait()
				got = reports.all()
				if len(got) != 2 {
					t.Fatalf("%d reports: %+v, want 2", len(got), got)
				}
				want := intake.Outage{Over: true, Health: intake.Up, HTTPStatus: 200, FailedAttempts: failed, Lasted: got[1].Lasted}
				if end := got[1]; end != want || end.Lasted < 10*time.Minute-time.Second || end.Lasted > 11*time.Minute {
					t.Errorf("at its end: %+v, want %+v, of 10 minutes", end, want)
				}
			})
		})
	}
}

// Failures below the threshold are no outage. Neither are refusals, nor clients that
// give up.
func TestNoOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var reports outages
		client := modelClient(t, &model{answer: func(nth int) reply {
			switch {
			case nth%10 == 9:
				return status(200)
			case nth < 50:
				return failing(errRefused)
			}
			return status(429)
		}}, nil, intake.OnOutage(reports.add))
		for range 10 {
			if err := client.Forward(t.Context(), intake.Caller{}, smallBatch()); err != nil {
				t.Fatal(err)
			}
		}
		refusing := modelClient(t, &model{answer: scripted(400, 403, 413)}, nil, intake.OnOutage(reports.add))
		hanging := modelClient(t, &model{answer: func(int) reply { return failing(errHung) }}, nil, intake.OnOutage(reports.add))
		for range 50 {
			_ = failure(t, refusing, t.Context())
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_ = failure(t, hanging, ctx)
			cancel()
		}
		if got := reports.all(); len(got) > 0 {
			t.Errorf("reported %+v, want nothing", got)
		}
	})
}

// A refusal ends an outage, too.
func TestOutageEndsWithARefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answer := scripted(0, 0, 0, 403)
		var reports outages
		client := modelClient(t, &model{answer: answer}, func(c *intake.Config) {
			c.Retry = intake.DefaultRetry()
			c.Retry.BreakerFailureThreshold = 2
		}, intake.OnOutage(reports.add))
		_ = failure(t, client, t.Context())
		got := reports.all()
		if len(got) != 2 || !got[1].Over || got[1].HTTPStatus != http.StatusForbidden || got[1].Reason != "because" || got[1].FailedAttempts != 3 {
			t.Errorf("%+v, want a start and an end with the refusal", got)
		}
	})
}

// An intake that, for an hour, accepts one batch and then none for two seconds is reported
// once a minute. If it then stays down, that is reported as well, with the number of
// outages that were not.
func TestFlappingIsReportedOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var dead atomic.Bool
		m := &model{latency: time.Millisecond}
		m.answer = func(nth int) reply {
			if nth%2 == 0 && !dead.Load() {
				return status(200)
			}
			return later(503, "2")
		}
		var reports outages
		client := modelClient(t, m, nil, intake.OnOutage(reports.add))
		flapping := func(length time.Duration) {
			for end := time.Now().Add(length); time.Now().Before(end); {
				if err := client.Forward(t.Context(), intake.Caller{}, smallBatch()); err != nil {
					t.Fatal(err)
				}
			}
		}
		flapping(time.Hour)
		got := reports.all()
		if len(got) < 100 || len(got) > 122 {
			t.Errorf("%d reports in an hour with %d attempts, want 100 to 122", len(got), m.count())
		}
		for i, o := range got {
			if o.Over != (i%2 == 1) {
				t.Fatalf("%d: %+v, want starts and ends in turn", i, o)
			}
			if unreported := o.Unreported; i > 0 && !o.Over && (unreported < 20 || unreported > 30) {
				t.Errorf("report %d: %d were not reported, want 20 to 30", i, unreported)
			}
		}
		for before := len(reports.all()); len(reports.all()) < before+2; {
			flapping(time.Second)
		}
		dead.Store(true)
		before := len(reports.all())
		down := time.Now()
		forwarding := forwardMany(t, client, 1, smallBatch())
		<-time.After(10 * time.Minute)
		if got = reports.all(); len(got) != before+1 || got[before].Over {
			t.Errorf("down after a reported outage: %+v, want one start", got[before:])
		} else if after := reports.times[before].Sub(down); after < 50*time.Second || after > 70*time.Second {
			t.Errorf("reported after %v, want about a minute", after)
		}
		dead.Store(false)
		forwarding.Wait()
		if got = reports.all(); len(got) != before+2 || !got[before+1].Over {
			t.Errorf("back: %+v, want one end", got[before:])
		}
	})
}

// Reports come in order and one at a time. While one blocks, other batches do not wait.
func TestOutagesAreReportedInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{answer: scripted(0, 200, 200, 200)}
		var reports outages
		written := make(chan struct{})
		client := modelClient(t, m, func(c *intake.Config) {
			c.Retry = intake.DefaultRetry()
			c.Retry.BreakerFailureThreshold = 1
		}, intake.OnOutage(func(o intake.Outage) {
			if !o.Over {
				<-written // the log is slow
			}
			reports.add(o)
		}))
		forwarding := forwardMany(t, client, 3, smallBatch())
		<-time.After(time.Minute)
		if got := m.count(); got < 3 {
			t.Errorf("%d attempts while the log is slow, want at least 3", got)
		}
		close(written)
		forwarding.Wait()
		if got := reports.all(); len(got) != 2 || got[0].Over || !got[1].Over {
			t.Errorf("%+v, want a start and then an end", got)
		}
	})
}

// A batch that was posted before a Retry-After came and is accepted after it does not end
// the outage: nothing is sent yet.
func TestOutageLastsUntilRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{answer: func(nth int) reply {
			switch nth {
			case 0:
				<-time.After(5 * time.Second)
				return status(200)
			case 1:
				return later(429, "30")
			}
			return status(200)
		}}
		var reports outages
		client := modelClient(t, m, nil, intake.OnOutage(reports.add))
		first := forwardMany(t, client, 1, smallBatch())
		synctest.Wait()
		second := forwardMany(t, client, 1, smallBatch())
		first.Wait()
		if got := reports.all(); len(got) != 1 || got[0].Over {
			t.Errorf("after the first batch: %+v, want the start only", got)
		}
		second.Wait()
		if got := reports.all(); len(got) != 2 || !got[1].Over || got[1].FailedAttempts != 1 || got[1].Lasted < 30*time.Second {
			t.Errorf("at the end: %+v, want an end after 30 s and one failure", got)
		}
	})
}
