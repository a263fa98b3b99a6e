package intake_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/intake"
)

// batchOf returns a small batch of a service.
func batchOf(service string) *batch.Batch {
	b := *smallBatch()
	header := *b.Header
	header.Service = service
	b.Header = &header
	return &b
}

func connections(n int) func(*intake.Config) {
	return func(c *intake.Config) { c.MaxConnections = n }
}

// hold forwards a batch and returns once it has a turn or waits for one. The channel
// gets what Forward returns.
func hold(t *testing.T, client *intake.Client) <-chan error {
	t.Helper()
	forwarded := make(chan error, 1)
	go func() { forwarded <- client.Forward(t.Context(), intake.Caller{}, smallBatch()) }()
	synctest.Wait()
	return forwarded
}

func TestOneServiceDoesNotDelayAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const many = 400
		m := &model{latency: time.Second, answer: scripted(200)}
		client := modelClient(t, m, connections(2))
		accepted := forwardMany(t, client, many, batchOf("large"))
		synctest.Wait()
		begin := time.Now()
		if err := client.Forward(t.Context(), intake.Caller{}, batchOf("small")); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("a batch took %v with %d of another service in the queue, want at most 3 s", took, many)
		}
		accepted.Wait()
		if took, want := time.Since(begin), (many+2)/2*time.Second; took != want {
			t.Errorf("all took %v, want %v", took, want)
		}
	})
}

func TestQueueIsNoTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const uploads = 20
		m := &model{latency: 20 * time.Second, answer: scripted(200)}
		client := modelClient(t, m, func(c *intake.Config) {
			c.MaxConnections, c.BatchDeadline = 1, time.Minute
		}, intake.OnAttempt(func(a intake.Attempt) {
			if a.Number != 1 || a.Duration != 20*time.Second {
				t.Errorf("%+v, want a single attempt of 20 s", a)
			}
		}))
		forwardMany(t, client, uploads, smallBatch()).Wait()
	})
}

// The batch's deadline does not count time in the queue, but all other time.
func TestBatchDeadlineAfterTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: 6 * time.Second, answer: func(nth int) reply {
			if nth == 0 {
				return status(200)
			}
			return later(503, "2")
		}}
		client := modelClient(t, m, func(c *intake.Config) {
			c.MaxConnections, c.BatchDeadline = 1, 10*time.Second
		})
		begin := time.Now()
		first := hold(t, client)
		failed := failure(t, client, t.Context())
		// 6 s in the queue, an attempt of 6 s, a pause of 2 s and a little, and another
		// attempt of 6 s, which starts before the deadline and ends after it.
		if took := time.Since(begin); took.Truncate(time.Second) != 20*time.Second || failed.Attempts != 2 {
			t.Errorf("%v after %v, want 2 attempts in 20 s", failed, took)
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

func TestCancelInTheQueue(t *testing.T) {
	t.Parallel()
	for _, want := range []error{context.Canceled, context.DeadlineExceeded} {
		synctest.Test(t, func(t *testing.T) {
			m := &model{latency: 20 * time.Second, answer: scripted(200)}
			client := modelClient(t, m, connections(1))
			first := hold(t, client)
			begin := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if errors.Is(want, context.Canceled) {
				time.AfterFunc(4*time.Second, cancel)
			}
			failed := failure(t, client, ctx)
			if !errors.Is(failed, want) || failed.Timeout() || failed.InDoubt() || failed.Attempts != 0 || time.Since(begin) > 5*time.Second {
				t.Errorf("%+v after %v, want %v", failed, time.Since(begin), want)
			}
			if err := <-first; err != nil {
				t.Error(err)
			}
			if err := client.Forward(t.Context(), intake.Caller{}, smallBatch()); err != nil || m.count() != 2 {
				t.Errorf("%v after %d requests, want acceptance of the second", err, m.count())
			}
		})
	}
}

func TestBackoffKeepsNoTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{answer: func(nth int) reply {
			if nth == 0 {
				return later(408, "60") // for this batch alone
			}
			return status(200)
		}}
		client := modelClient(t, m, connections(1))
		paused := hold(t, client)
		begin := time.Now()
		if err := client.Forward(t.Context(), intake.Caller{}, smallBatch()); err != nil || time.Now() != begin {
			t.Errorf("%v after %v, want acceptance at once", err, time.Since(begin))
		}
		if err := <-paused; err != nil || time.Since(begin) < time.Minute {
			t.Errorf("%v after %v, want acceptance after a minute", err, time.Since(begin))
		}
	})
}

// Batches in the queue are not sent when the intake goes down, and do not delay the
// probe. One connection is enough for all.
func TestQueueDoesNotDelayProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var alive atomic.Bool
		m := &model{latency: time.Millisecond, answer: func(int) reply {
			if alive.Load() {
				return status(200)
			}
			return status(503)
		}}
		client := modelClient(t, m, connections(1))
		const uploads = 300
		accepted := forwardMany(t, client, uploads, smallBatch())
		<-time.After(time.Second / 2)
		if m.count() != 10 {
			t.Errorf("%d attempts until the intake was down, want 10", m.count())
		}
		<-time.After(time.Minute)
		// ProbeDelay is a second, a quarter more or less.
		if n := m.count(); n < 10+60*3/4 || n > 10+61*4/3 {
			t.Errorf("%d attempts after a minute, want one probe a second, ±25%%", n)
		}
		alive.Store(true)
		back := time.Now()
		accepted.Wait()
		if took := time.Since(back); took > 5*time.Second {
			t.Errorf("all accepted %v after the intake was back, want at most 5 s", took)
		}
	})
}

// Probes that hang keep their turns, but never all turns at once.
func TestHangingProbesLeaveATurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{answer: func(int) reply { return failing(errHung) }}
		client := modelClient(t, m, connections(4))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range 100 {
			go func() { _ = client.Forward(ctx, intake.Caller{}, smallBatch()) }()
		}
		<-time.After(10 * time.Minute)
		m.mu.Lock()
		times := m.times
		m.mu.Unlock()
		from := time.Now().Add(-5 * time.Minute)
		for i := 1; i < len(times); i++ {
			// A quarter of the 30 s after which they time out, and the delay of a probe.
			if pause := times[i].Sub(times[i-1]); times[i-1].After(from) && pause > 9*time.Second {
				t.Errorf("no probe for %v, want at most 9 s", pause)
			}
		}
		cancel()
	})
}

// A batch that waits for its turn is held back when another one is throttled.
func TestRetryAfterHoldsTheQueueBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: 10 * time.Second, answer: func(nth int) reply {
			if nth == 0 {
				return later(429, "40")
			}
			return status(200)
		}}
		client := modelClient(t, m, connections(1))
		first := hold(t, client)
		second := hold(t, client) // waits for its turn
		for _, forwarded := range []<-chan error{first, second} {
			if err := <-forwarded; err != nil {
				t.Error(err)
			}
		}
		if pause := m.times[1].Sub(m.times[0]); pause < 50*time.Second {
			t.Errorf("sent %v after the first, want at least 50 s", pause)
		}
	})
}

// A panic, which the caller may recover from, does not keep the turn.
func TestPanicGivesTheTurnBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{answer: func(nth int) reply {
			if nth == 0 {
				panic("test")
			}
			return status(200)
		}}
		client := modelClient(t, m, connections(1))
		func() {
			defer func() {
				if got := recover(); got != "test" {
					t.Errorf("recovered %v, want the panic", got)
				}
			}()
			_ = client.Forward(t.Context(), intake.Caller{}, smallBatch())
		}()
		if err := client.Forward(t.Context(), intake.Caller{}, smallBatch()); err != nil {
			t.Error(err)
		}
	})
}

// The error has the Retry-After of the last answer, also when attempts without an
// answer follow.
func TestRetryAfterOfTheLastAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{answer: func(nth int) reply {
			if nth == 0 {
				return later(503, "2")
			}
			return failing(errRefused)
		}}
		client := modelClient(t, m, func(c *intake.Config) { c.BatchDeadline = 10 * time.Second })
		failed := failure(t, client, t.Context())
		if failed.RetryAfter != 2*time.Second || failed.HTTPStatus != 0 || failed.Attempts < 2 {
			t.Errorf("%+v, want a Retry-After of 2 s and no status after several attempts", failed)
		}
	})
}

// An attempt that ends while dialling keeps no connection from the next one.
func TestCancelledDialKeepsNoConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dials := make(chan time.Time, 2)
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			dials <- time.Now()
			<-ctx.Done()
			return nil, ctx.Err()
		}
		config := intake.Config{URL: "http://intake.test", PostTimeout: time.Hour, MaxConnections: 1}
		client := newClient(t, config, intake.DialWith(dial))
		for range cap(dials) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if failed := failure(t, client, ctx); failed.InDoubt() {
				t.Errorf("%+v, want no doubt", failed)
			}
			cancel()
		}
		if first, second := <-dials, <-dials; second.Sub(first) != time.Minute {
			t.Errorf("dialled %v later, want a minute", second.Sub(first))
		}
	})
}
