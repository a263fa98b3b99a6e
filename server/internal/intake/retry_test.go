package intake_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/server/internal/intake"
)

func TestForwardRepeatsTheSameBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{answer: scripted(408, 429, 500, 502, 503, 504, 204)}
		var seen attempts
		client := modelClient(t, m, nil, intake.OnAttempt(seen.add))
		if err := client.Forward(t.Context(), intake.Caller{}, smallBatch()); err != nil {
			t.Fatal(err)
		}
		if len(m.contents) != 1 || len(m.requestIDs) != 7 || m.count() != 7 {
			t.Errorf("%d contents, %d request ids, %d requests, want 1, 7, 7", len(m.contents), len(m.requestIDs), m.count())
		}
		classes := []intake.Class{"unavailable", "throttled", "unavailable", "unavailable", "unavailable", "unavailable", "accepted"}
		for i, a := range seen.all() {
			want := intake.Attempt{
				BatchNum: 7, Bytes: smallBatch().File.Len(), Number: i + 1, HTTPStatus: a.HTTPStatus,
				Class: classes[i], InDoubt: i == 2 || i == 3 || i == 5,
			}
			if a.Class != intake.ClassAccepted {
				want.Reason = "because"
			}
			if a != want {
				t.Errorf("attempt %+v, want %+v", a, want)
			}
		}
	})
}

func TestForwardFailsAtOnce(t *testing.T) {
	t.Parallel()
	for _, code := range []int{300, 302, 307, 400, 401, 403, 404, 409, 413, 422, 501, 520} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			m := &model{answer: scripted(code)}
			failed := failure(t, modelClient(t, m, nil), t.Context())
			if failed.HTTPStatus != code || failed.Answer != "because" || failed.Attempts != 1 || m.count() != 1 || time.Now() != begin {
				t.Errorf("%d: %+v after %v, want a single attempt", code, failed, time.Since(begin))
			}
			if failed.TooLarge() != (code == 413) || failed.Retryable() || failed.InDoubt() != (code == 520) {
				t.Errorf("%d: too large %v, in doubt %v, want %v, %v", code, failed.TooLarge(), failed.InDoubt(), code == 413, code == 520)
			}
		})
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		value func(now time.Time) string
		// least is the pause; the spread behind it is a quarter of it.
		least time.Duration
	}{
		"seconds":        {func(time.Time) string { return "8" }, 8 * time.Second},
		"date":           {func(now time.Time) string { return now.Add(12 * time.Second).UTC().Format(http.TimeFormat) }, 12 * time.Second},
		"capped seconds": {func(time.Time) string { return "86400" }, time.Minute},
		"capped date":    {func(now time.Time) string { return now.Add(72 * time.Hour).UTC().Format(http.TimeFormat) }, time.Minute},
	}
	for name, tt := range tests {
		for _, code := range []int{408, 429, 500, 503} {
			t.Run(name+http.StatusText(code), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					m := &model{answer: func(nth int) reply {
						if nth == 0 {
							return later(code, tt.value(time.Now()))
						}
						return status(200)
					}}
					if err := modelClient(t, m, nil).Forward(t.Context(), intake.Caller{}, smallBatch()); err != nil {
						t.Fatal(err)
					}
					if pause := m.times[1].Sub(m.times[0]); pause < tt.least || pause > tt.least+tt.least/4+time.Second {
						t.Errorf("paused for %v, want %v and a spread", pause, tt.least)
					}
				})
			})
		}
	}
}

// A Retry-After for one upload holds back those that start later.
func TestThrottlingSlowsEverybody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		m := &model{answer: func(nth int) reply {
			if nth == 0 {
				return later(429, "20")
			}
			return status(200)
		}}
		client := modelClient(t, m, nil)
		first := forwardMany(t, client, 1, smallBatch())
		synctest.Wait()
		forwardMany(t, client, 49, smallBatch()).Wait()
		first.Wait()
		for i, at := range m.times[1:] {
			if since := at.Sub(begin); since < 20*time.Second || since > 26*time.Second {
				t.Errorf("attempt %d after %v, want 20 s to 26 s", i, since)
			}
		}
		if last := m.times[len(m.times)-1]; last.Sub(m.times[1]) < 100*time.Millisecond {
			t.Errorf("all came back within %v, want a spread", last.Sub(m.times[1]))
		}
	})
}

func TestAttemptTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{answer: func(nth int) reply {
			if nth < 2 {
				return failing(errHung)
			}
			return status(400)
		}}
		begin := time.Now()
		failed := failure(t, modelClient(t, m, nil), t.Context())
		if took := time.Since(begin); took < time.Minute || took > 61*time.Second {
			t.Errorf("two attempts without an answer took %v, want a minute", took)
		}
		if failed.HTTPStatus != 400 || !failed.InDoubt() || failed.Attempts != 3 || failed.Timeout() {
			t.Errorf("%+v, in doubt %v, want the refusal and the doubt", failed, failed.InDoubt())
		}
	})
}

func TestDoubt(t *testing.T) {
	t.Parallel()
	tests := []struct {
		codes []int
		want  bool
	}{
		{[]int{0, 400}, false},
		{[]int{408, 429, 503, 400}, false},
		{[]int{503, 413}, false},
		{[]int{500, 400}, true},
		{[]int{502, 503, 413}, true},
		{[]int{0, 504, 0, 307}, true},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			failed := failure(t, modelClient(t, &model{answer: scripted(tt.codes...)}, nil), t.Context())
			if failed.InDoubt() != tt.want || failed.Attempts != len(tt.codes) {
				t.Errorf("%v: in doubt %v after %d attempts, want %v after %d", tt.codes, failed.InDoubt(), failed.Attempts, tt.want, len(tt.codes))
			}
		})
	}
}

func TestBatchDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{answer: scripted(503)}
		client := modelClient(t, m, func(c *intake.Config) { c.BatchDeadline = 5 * time.Minute })
		begin := time.Now()
		failed := failure(t, client, t.Context())
		if took := time.Since(begin); took > 5*time.Minute || took < 4*time.Minute {
			t.Errorf("gave up after %v, want 4 to 5 minutes", took)
		}
		if failed.HTTPStatus != 503 || failed.Attempts != m.count() || failed.InDoubt() || failed.Timeout() {
			t.Errorf("%+v, want status 503 after %d attempts, without doubt", failed, m.count())
		}
	})
}

// An attempt may outlast the batch's deadline. Only silence leaves the batch in doubt.
func TestBatchDeadlineInAnAttempt(t *testing.T) {
	t.Parallel()
	const postTimeout = 20 * time.Second
	tests := map[string]struct {
		m       *model
		took    time.Duration
		timeout bool
	}{
		"without an answer": {&model{answer: func(int) reply { return failing(errHung) }}, postTimeout, true},
		"answered late":     {&model{latency: 15 * time.Second, answer: scripted(503)}, 15 * time.Second, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := modelClient(t, tt.m, func(c *intake.Config) {
					c.BatchDeadline, c.PostTimeout = 10*time.Second, postTimeout
				})
				begin := time.Now()
				failed := failure(t, client, t.Context())
				if time.Since(begin) != tt.took || failed.Attempts != 1 || errors.Is(failed, context.DeadlineExceeded) ||
					failed.Timeout() != tt.timeout || failed.InDoubt() != tt.timeout {
					t.Errorf("%v after %v, in doubt %v, want one attempt of %v, in doubt %v", failed, time.Since(begin), failed.InDoubt(), tt.took, tt.timeout)
				}
			})
		})
	}
}

// No attempt starts that the caller's deadline would cut off, leaving the batch in doubt.
func TestCallersDeadlineIsTooNear(t *testing.T) {
	t.Parallel()
	for range 20 { // the waits are random
		synctest.Test(t, func(t *testing.T) {
			m := &model{latency: 3 * time.Second, answer: scripted(503)}
			client := modelClient(t, m, nil)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			failed := failure(t, client, ctx)
			if failed.HTTPStatus != 503 || failed.Attempts < 2 || failed.InDoubt() || failed.Timeout() {
				t.Errorf("%v after %d attempts, in doubt %v, want status 503 without doubt", failed, failed.Attempts, failed.InDoubt())
			}
		})
	}
}

// Forward does not wait if the wait would end after the caller's deadline.
func TestCallersDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{answer: func(int) reply { return later(429, "30") }}
		client := modelClient(t, m, func(c *intake.Config) { c.BatchDeadline = 5 * time.Minute })
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 29*time.Second)
		defer cancel()
		failed := failure(t, client, ctx)
		if time.Now() != begin || failed.HTTPStatus != 429 || failed.RetryAfter != 30*time.Second {
			t.Errorf("%+v after %v, want status 429 at once", failed, time.Since(begin))
		}
		// The next one, with the same deadline, need not even try.
		failed = failure(t, client, ctx)
		if !failed.Held() || failed.RetryAfter != 30*time.Second {
			t.Errorf("held %v, Retry-After %v, want true, 30s", failed.Held(), failed.RetryAfter)
		}
		if time.Now() != begin || failed.Attempts != 0 || failed.HTTPStatus != 0 || !failed.Retryable() || failed.InDoubt() {
			t.Errorf("%+v after %v, want a retryable error at once, without an attempt", failed, time.Since(begin))
		}
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answer  func(int) reply
		inDoubt bool
	}{
		"in an attempt":       {func(int) reply { return failing(errHung) }, true},
		"in a pause":          {func(int) reply { return later(503, "50") }, false},
		"in a pause, doubted": {func(int) reply { return later(502, "50") }, true},
		"in an outage":        {scripted(0), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(20*time.Second, func() { cancel(errors.New("secret")) })
				begin := time.Now()
				failed := failure(t, modelClient(t, &model{answer: tt.answer}, nil), ctx)
				if !errors.Is(failed, context.Canceled) || failed.HTTPStatus != 0 || time.Since(begin) != 20*time.Second {
					t.Errorf("%v after %v, want cancellation after 20 s", failed, time.Since(begin))
				}
				if failed.InDoubt() != tt.inDoubt {
					t.Errorf("in doubt: %v, want %v", failed.InDoubt(), tt.inDoubt)
				}
			})
		})
	}
}

func TestAcceptedAlthoughCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		client := modelClient(t, &model{answer: scripted(200)}, nil, intake.OnAttempt(func(intake.Attempt) { cancel() }))
		if err := client.Forward(ctx, intake.Caller{}, smallBatch()); err != nil {
			t.Errorf("Forward returned %v, want nil as the intake accepted the batch", err)
		}
	})
}
