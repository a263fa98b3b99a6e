package intake_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/server/internal/intake"
)

const uploadCount, connectionCount = 1000, 16

// A thousand uploads meet an intake that is down, in every way of being down.
func TestDeadIntakeGetsProbes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		latency time.Duration
		dead    func() reply
	}{
		"refuses connections": {time.Millisecond, func() reply { return failing(errRefused) }},
		"answers 503":         {20 * time.Millisecond, func() reply { return status(503) }},
		"answers 503, later":  {time.Millisecond, func() reply { return later(503, "5") }},
		"answers 429":         {20 * time.Millisecond, func() reply { return status(429) }},
		"answers 500, slowly": {time.Second, func() reply { return status(500) }},
		"hangs":               {time.Millisecond, func() reply { return failing(errHung) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var alive atomic.Bool
				m := &model{latency: tt.latency}
				m.answer = func(int) reply {
					if alive.Load() {
						return status(200)
					}
					return tt.dead()
				}
				client := modelClient(t, m, func(c *intake.Config) { c.MaxConnections = connectionCount })
				accepted := make(chan error, uploadCount)
				for range uploadCount {
					go func() { accepted <- client.Forward(t.Context(), intake.Caller{}, smallBatch()) }()
				}
				// After ten failures only what is being posted continues.
				const first, perMinute = 10 + connectionCount + 85, 85
				// As fast as so many connections can be.
				atBest := uploadCount / connectionCount * tt.latency
				for minute, most := range []int{first, perMinute, perMinute, perMinute} {
					before := m.count()
					<-time.After(time.Minute)
					if got := m.count() - before; got > most || got == 0 {
						t.Errorf("minute %d: %d attempts, want 1 to %d", minute, got, most)
					} else {
						t.Logf("minute %d: %d attempts", minute, got)
					}
				}
				alive.Store(true)
				back := time.Now()
				late := 0
				for range uploadCount {
					if err := <-accepted; err != nil {
						t.Fatal(err)
					}
					if time.Since(back) > 8*time.Second+atBest {
						late++
					}
				}
				// Probes that hang keep their turns until they time out.
				if late > 0 && name != "hangs" || late > 40 || time.Since(back) > 31*time.Second+atBest {
					t.Errorf("all accepted after %v, %d late, want none after %v", time.Since(back), late, 8*time.Second+atBest)
				}
			})
		})
	}
}

// An intake that answers once and then fails again gets few attempts.
func TestFlappingIntake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: time.Millisecond}
		m.answer = func(nth int) reply {
			if nth >= 2*uploadCount || nth%100 == 99 { // one in a hundred is taken
				return status(200)
			}
			return status(503)
		}
		client := modelClient(t, m, nil)
		accepted := forwardMany(t, client, uploadCount, smallBatch())
		<-time.After(time.Minute)
		if got := m.count(); got > uploadCount+200 {
			t.Errorf("%d attempts in the first minute, want at most %d", got, uploadCount+200)
		}
		accepted.Wait()
	})
}

// A batch that is refused for itself does not delay the others.
func TestRefusalsAreNoOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := modelClient(t, &model{answer: scripted(400)}, nil)
		begin := time.Now()
		for range 100 {
			_ = failure(t, client, t.Context())
		}
		if time.Now() != begin {
			t.Errorf("100 refusals took %v, want 0s", time.Since(begin))
		}
	})
}

// When the client of a probe goes away, another batch probes at once.
func TestCancelledProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var phase atomic.Int32
		hanging := make(chan struct{}, 1)
		m := &model{answer: func(int) reply {
			switch phase.Load() {
			case 0:
				return failing(errRefused)
			case 1:
				hanging <- struct{}{}
				return failing(errHung)
			}
			return status(200)
		}}
		client := modelClient(t, m, func(c *intake.Config) {
			c.Retry = intake.DefaultRetry()
			c.Retry.ProbeDelay = 10 * time.Second
		})
		// A single batch opens the breaker, and then probes.
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- client.Forward(ctx, intake.Caller{}, smallBatch()) }()
		<-time.After(2 * time.Minute)
		phase.Store(1)
		<-hanging
		other := make(chan error)
		go func() { other <- client.Forward(t.Context(), intake.Caller{}, smallBatch()) }()
		synctest.Wait()
		phase.Store(2)
		begin := time.Now()
		cancel()
		if err := <-ended; err == nil {
			t.Error("the cancelled batch was accepted, want an error")
		}
		if err := <-other; err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 0 {
			t.Errorf("the other batch waited for %v, want 0s", took)
		}
	})
}

// A batch that is alone in an outage keeps probing: its back-off does not grow.
func TestOneBatchKeepsProbing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{answer: scripted(503)}
		client := modelClient(t, m, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		_ = failure(t, client, ctx)
		if got := m.count(); got < 200 {
			t.Errorf("%d attempts in 5 minutes, want some 1 a second", got)
		}
	})
}

func TestForwardFailsAtOnceInAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := modelClient(t, &model{answer: scripted(0)}, func(c *intake.Config) {
			c.Retry = intake.DefaultRetry()
			c.Retry.ProbeDelay = time.Minute
			c.BatchDeadline = 5 * time.Minute
		})
		_ = failure(t, client, t.Context())
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begin := time.Now()
		failed := failure(t, client, ctx)
		if time.Now() != begin || failed.Attempts != 0 || !failed.Retryable() || failed.InDoubt() {
			t.Errorf("%v after %v, want a retryable error at once, without an attempt", failed, time.Since(begin))
		}
	})
}
