package client

import (
	"context"
	"math"
	"math/rand/v2"
	"time"
)

const (
	// DefaultFirstBackoff limits the wait after a first failure.
	DefaultFirstBackoff = 200 * time.Millisecond
	// DefaultMaxBackoff limits the wait after any failure.
	DefaultMaxBackoff = 30 * time.Second
)

// longestBackoff leaves room for what is added to it.
const longestBackoff = math.MaxInt64 - MaxRetryDelay - 1

// backoffRange is an exponential back-off with full jitter.
type backoffRange struct {
	first, most time.Duration
}

// draw returns how long to wait after that many failures before the last one.
func (b backoffRange) draw(failureCount int) time.Duration {
	limit := min(b.most, longestBackoff)
	if shifted := b.first << min(failureCount, 40); shifted>>min(failureCount, 40) == b.first {
		limit = min(limit, shifted)
	}
	return rand.N(limit + 1) //nolint:gosec // spreads attempts in time; nothing secret hangs on it
}

// pause waits, and returns the cause of ctx's end where that comes first.
func pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// endsBefore tells whether ctx ends before that time has passed.
func endsBefore(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) <= wait
}
