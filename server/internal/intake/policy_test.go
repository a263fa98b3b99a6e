package intake

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"
)

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.March, 1, 12, 0, 0, 500e6, time.UTC)
	const limit = time.Minute
	tests := []struct {
		value string
		want  time.Duration
		ok    bool
	}{
		{"", 0, false},
		{"0", 0, true},
		{"1", time.Second, true},
		{" 7\t", 7 * time.Second, true},
		{"60", limit, true},
		{"61", limit, true},
		{"000000000000000000000000000005", 5 * time.Second, true},
		{"99999999999999999999999", limit, true},
		{"9223372036854775807", limit, true},
		{"-1", 0, false},
		{"+1", 0, false},
		{"1.5", 0, false},
		{"1s", 0, false},
		{"soon", 0, false},
		{"Sun, 01 Mar 2026 12:00:10 GMT", 9500 * time.Millisecond, true},
		{"Sunday, 01-Mar-26 12:00:10 GMT", 9500 * time.Millisecond, true},
		{"Sun Mar  1 12:00:10 2026", 9500 * time.Millisecond, true},
		{"Sun, 01 Mar 2026 12:00:00 GMT", 0, true},
		{"Sun, 01 Mar 2020 12:00:00 GMT", 0, true},
		{"Sun, 01 Mar 2999 12:00:00 GMT", limit, true},
		{"Sun, 32 Mar 2026 12:00:00 GMT", 0, false},
	}
	for _, tt := range tests {
		got, ok := parseRetryAfter(tt.value, now, limit)
		if got != tt.want || ok != tt.ok {
			t.Errorf("parseRetryAfter(%q) = %v, %v, want %v, %v", tt.value, got, ok, tt.want, tt.ok)
		}
	}
	if got, ok := parseRetryAfter("1", now, 300*time.Millisecond); got != 300*time.Millisecond || !ok {
		t.Errorf("a limit of less than a second gave %v, %v, want 300 ms", got, ok)
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, seed := range []string{"0", "120", "99999999999999999999", "Sun, 01 Mar 2026 12:00:10 GMT", "Sun Mar  1 12:00:10 2026", "-1"} {
		f.Add(seed, int64(1772366400), int64(time.Minute))
	}
	f.Fuzz(func(t *testing.T, value string, now, limit int64) {
		limit &= math.MaxInt64
		got, ok := parseRetryAfter(value, time.Unix(now, 0), time.Duration(limit))
		if got < 0 || got > time.Duration(limit) || (!ok && got != 0) {
			t.Errorf("parseRetryAfter(%q, %d, %d) = %v, %v, want none to the limit", value, now, limit, got, ok)
		}
	})
}

func TestPause(t *testing.T) {
	t.Parallel()
	r := Retry{MinBackoff: 100 * time.Millisecond, MaxBackoff: 3 * time.Second}
	tests := []struct {
		attempt    int
		retryAfter time.Duration
		fraction   float64
		want       time.Duration
	}{
		{1, 0, 0, 0},
		{1, 0, 0.5, 50 * time.Millisecond},
		{1, 0, 1, 100 * time.Millisecond},
		{2, 0, 1, 200 * time.Millisecond},
		{5, 0, 1, 1600 * time.Millisecond},
		{6, 0, 1, 3 * time.Second},
		{7, 0, 0.5, 1500 * time.Millisecond},
		{math.MaxInt, 0, 1, 3 * time.Second},
		{1, 8 * time.Second, 0, 8 * time.Second},
		{1, 8 * time.Second, 1, 10 * time.Second},
		{6, 8 * time.Second, 1, 11 * time.Second},
	}
	for _, tt := range tests {
		if got := r.pause(tt.attempt, tt.retryAfter, tt.fraction); got != tt.want {
			t.Errorf("pause(%d, %v, %v) = %v, want %v", tt.attempt, tt.retryAfter, tt.fraction, got, tt.want)
		}
	}
	r.MinBackoff, r.MaxBackoff = 1, math.MaxInt64
	if got := r.pause(1000, 0, 0.5); got <= 0 {
		t.Errorf("the back-off overflowed to %v, want some", got)
	}
}

func TestJudgeStatus(t *testing.T) {
	t.Parallel()
	accepted := verdict{class: ClassAccepted, health: healthUp}
	refused := verdict{class: ClassRefused, health: healthUp}
	gateway := verdict{class: ClassUnavailable, retry: true, inDoubt: true, health: healthDown}
	tests := map[int]verdict{
		200: accepted, 202: accepted, 204: accepted, 299: accepted,
		101: refused, 300: refused, 301: refused, 302: refused, 307: refused, 308: refused,
		400: refused, 401: refused, 403: refused, 404: refused, 409: refused, 415: refused, 422: refused, 425: refused,
		408: {class: ClassUnavailable, retry: true, health: healthUp},
		413: {class: ClassTooLarge, health: healthUp},
		429: {class: ClassThrottled, retry: true, throttles: true, health: healthDown},
		500: gateway, 502: gateway, 504: gateway,
		501: refused, 505: refused,
		503: {class: ClassUnavailable, retry: true, throttles: true, health: healthDown},
		524: {class: ClassRefused, inDoubt: true, health: healthDown},
		999: {class: ClassRefused, inDoubt: true, health: healthDown},
	}
	for status, want := range tests {
		if got := judgeStatus(status); got != want {
			t.Errorf("judgeStatus(%d) = %+v, want %+v", status, got, want)
		}
		e := &Error{HTTPStatus: status}
		if e.Retryable() != want.retry || e.TooLarge() != (status == 413) {
			t.Errorf("%d: retryable %v, too large %v", status, e.Retryable(), e.TooLarge())
		}
	}
}

func TestJudgeSilence(t *testing.T) {
	t.Parallel()
	tests := []struct {
		ended           error
		connected, sent bool
		want            verdict
	}{
		{nil, false, false, verdict{class: ClassUnreachable, retry: true, health: healthDown}},
		{nil, true, false, verdict{class: ClassBroken, retry: true, health: healthDown}},
		{nil, true, true, verdict{class: ClassBroken, retry: true, inDoubt: true, health: healthDown}},
		{errPostTimeout, false, false, verdict{class: ClassTimeout, retry: true, health: healthDown}},
		{errPostTimeout, true, false, verdict{class: ClassTimeout, retry: true, health: healthDown}},
		{errPostTimeout, true, true, verdict{class: ClassTimeout, retry: true, inDoubt: true, health: healthDown}},
		{context.Canceled, true, true, verdict{class: ClassCancelled, inDoubt: true}},
		{context.Canceled, true, false, verdict{class: ClassCancelled}},
		{context.DeadlineExceeded, false, false, verdict{class: ClassCancelled}},
	}
	for _, tt := range tests {
		if got := judgeSilence(tt.ended, tt.connected, tt.sent); got != tt.want {
			t.Errorf("judgeSilence(%v, %v, %v) = %+v, want %+v", tt.ended, tt.connected, tt.sent, got, tt.want)
		}
	}
}

func TestEndedSaysNothingOfTheCallers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	if err := contextErr(ctx); err != nil {
		t.Errorf("before the end: %v", err)
	}
	cancel(errors.New("secret"))
	if err := contextErr(ctx); !errors.Is(err, context.Canceled) || err.Error() != context.Canceled.Error() {
		t.Errorf("got %v, want %v, and not one of the other kind", err, context.Canceled)
	}
}
