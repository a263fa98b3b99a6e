package intake

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// limitedTo returns turns with the default settings.
func limitedTo(limit int) *turns {
	return newTurns(Config{MaxConnections: limit, PostTimeout: time.Minute, Retry: DefaultRetry()})
}

// acquire takes a turn for a batch that has no deadline.
func acquire(ctx context.Context, t *turns, caller string) (permit, error) {
	return t.acquire(ctx, caller, new(time.Time))
}

// checkIdle fails the test if a turn is taken, or a batch waits.
func checkIdle(t *testing.T, turns *turns) {
	t.Helper()
	turns.mu.Lock()
	defer turns.mu.Unlock()
	if turns.free != turns.limit || turns.queue.count != 0 {
		t.Errorf("%d turns are free and %d batches wait, want %d and 0", turns.free, turns.queue.count, turns.limit)
	}
}

func TestAcquireFailsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := limitedTo(1)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := acquire(ended, turns, "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("acquire with an ended context: %v, want %v", err, context.Canceled)
		}
		checkIdle(t, turns)
		p, err := acquire(t.Context(), turns, "a")
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := acquire(ctx, turns, "a"); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Minute {
			t.Errorf("acquire behind another batch: %v after %v, want %v after a minute", err, time.Since(begin), context.DeadlineExceeded)
		}
		turns.release(p, &postResult{})
		checkIdle(t, turns)
	})
}

// A batch that stops waiting at the moment when it gets its turn passes it on.
func TestAbandonWithATurn(t *testing.T) {
	t.Parallel()
	turns := limitedTo(1)
	first, second := turns.enqueue("a"), turns.enqueue("a")
	turns.abandon(first)
	if len(second.granted) != 1 {
		t.Error("the second batch has no turn, want the one that the first gave back")
	}
	turns.abandon(second)
	checkIdle(t, turns)
}

// The deadline is put off by the time in the queue, but not by the time in which the
// intake is left alone.
func TestAcquirePutsTheDeadlineOff(t *testing.T) {
	t.Parallel()
	accepted := &postResult{verdict: judgeStatus(200)}
	throttled := &postResult{verdict: judgeStatus(429), retryAfter: 30 * time.Second}
	for name, test := range map[string]struct {
		deadline time.Duration
		holder   *postResult // after 10 s
		want     error
		took     time.Duration
		putOff   time.Duration
	}{
		"turn":                        {5 * time.Second, accepted, nil, 10 * time.Second, 10 * time.Second},
		"deadline after Retry-After":  {31 * time.Second, throttled, nil, 40 * time.Second, 10 * time.Second},
		"deadline within Retry-After": {30 * time.Second, throttled, errHeld, 10 * time.Second, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				turns := limitedTo(1)
				turns.breaker.random = func() float64 { return 0 }
				holder, err := acquire(t.Context(), turns, "a")
				if err != nil {
					t.Fatal(err)
				}
				time.AfterFunc(10*time.Second, func() { turns.release(holder, test.holder) })
				begin := time.Now()
				deadline := begin.Add(test.deadline)
				p, err := turns.acquire(t.Context(), "a", &deadline)
				if took := time.Since(begin); !errors.Is(err, test.want) || took != test.took {
					t.Errorf("acquire: %v after %v, want %v after %v", err, took, test.want, test.took)
				}
				if putOff := deadline.Sub(begin) - test.deadline; putOff != test.putOff {
					t.Errorf("the deadline was put off by %v, want %v", putOff, test.putOff)
				}
				if err == nil {
					turns.release(p, &postResult{})
				}
				checkIdle(t, turns)
			})
		})
	}
}

// Batches that waited for the intake to be back start spread over Retry.ProbeDelay.
// A batch that comes later is not delayed.
func TestStartsAreSpread(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*turns) time.Duration{
		"Retry-After": func(turns *turns) time.Duration {
			turns.breaker.notBefore = time.Now().Add(20 * time.Second)
			return 20 * time.Second
		},
		"probe": func(turns *turns) time.Duration {
			turns.breaker.become(breakerHalfOpen)
			turns.breaker.probeAt = time.Now().Add(time.Hour)
			time.AfterFunc(10*time.Second, func() {
				turns.free-- // the probe's
				turns.release(permit{probe: true, epoch: 1}, &postResult{verdict: judgeStatus(200)})
			})
			return 10 * time.Second
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const batches = 10
				turns := limitedTo(100)
				turns.breaker.random = func() float64 { return 0.5 }
				begin := time.Now()
				held := open(turns)
				started := make(chan time.Duration, batches+1)
				start := func() {
					if p, err := acquire(t.Context(), turns, "a"); err != nil {
						t.Error(err)
					} else {
						started <- time.Since(begin) - held
						turns.release(p, &postResult{verdict: judgeStatus(200)})
					}
				}
				for range batches {
					go start()
				}
				for i := range batches {
					if got, want := <-started, time.Duration(50+100*i)*time.Millisecond; got != want {
						t.Errorf("batch %d started %v after the intake was back, want %v", i, got, want)
					}
				}
				later := time.Since(begin) - held
				start()
				if got := <-started; got != later {
					t.Errorf("a batch that came at %v started at %v, want at once", later, got)
				}
				checkIdle(t, turns)
			})
		})
	}
}

// A Retry-After that passed while no batch waited delays none.
func TestNothingToSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := limitedTo(1)
		p, err := acquire(t.Context(), turns, "a")
		if err != nil {
			t.Fatal(err)
		}
		turns.release(p, &postResult{verdict: judgeStatus(429), retryAfter: 20 * time.Second})
		<-time.After(20 * time.Second)
		begin := time.Now()
		if p, err = acquire(t.Context(), turns, "a"); err != nil || time.Since(begin) != 0 {
			t.Errorf("acquire: %v after %v, want a turn at once", err, time.Since(begin))
		}
		turns.release(p, &postResult{})
		checkIdle(t, turns)
	})
}

// While a probe hangs, nobody knows how long the others have to wait.
func TestDeadlinePassesBehindAProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := limitedTo(1)
		turns.breaker.state = breakerOpen
		probe, err := acquire(t.Context(), turns, "a")
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		deadline := begin.Add(time.Minute)
		_, err = turns.acquire(t.Context(), "a", &deadline)
		if !errors.Is(err, errBatchDeadline) || time.Since(begin) != time.Minute {
			t.Errorf("acquire: %v after %v, want %v after a minute", err, time.Since(begin), errBatchDeadline)
		}
		turns.release(probe, &postResult{})
		checkIdle(t, turns)
	})
}

// Batches that stop waiting at the very moment when their turn may come.
func TestTurnsUnderContention(t *testing.T) {
	t.Parallel()
	const limit, batches = 3, 2000
	turns := limitedTo(limit)
	var posting, served atomic.Int32
	var all sync.WaitGroup
	for i := range batches {
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			mayGiveUp := i%2 == 0
			if mayGiveUp {
				time.AfterFunc(rand.N(3*time.Millisecond), cancel)
			}
			switch p, err := acquire(ctx, turns, strconv.Itoa(i%7)); {
			case err == nil:
				if n := posting.Add(1); n > limit {
					t.Errorf("%d batches have a turn, want at most %d", n, limit)
				}
				served.Add(1)
				posting.Add(-1)
				turns.release(p, &postResult{})
			case !mayGiveUp:
				t.Errorf("acquire without an end: %v", err)
			}
		})
	}
	all.Wait()
	t.Logf("%d of %d batches had a turn", served.Load(), batches)
	checkIdle(t, turns)
}
