// Package wait makes tests wait for asynchronous work. Start at [Until]. Code in a
// synctest bubble does not need it.
package wait

import (
	"testing"
	"time"
)

// patience is far longer than any wait takes, even on a busy machine. Only tests that
// fail reach it.
const patience = 2 * time.Minute

// period is the time between two calls of look.
const period = time.Millisecond

// Until calls look until done returns true for its result, and returns that result.
// After two minutes it fails the test instead. what describes the awaited state.
func Until[T any](tb testing.TB, what string, look func() T, done func(seen T) bool) T {
	tb.Helper()
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for began := time.Now(); ; <-ticker.C {
		seen := look()
		switch {
		case done(seen):
			return seen
		case time.Since(began) > patience:
			tb.Fatalf("waited %v for %s; last seen: %+v", patience, what, seen)
		}
	}
}

// Equal calls look until it returns want.
func Equal[T comparable](tb testing.TB, what string, look func() T, want T) {
	tb.Helper()
	_ = Until(tb, what, look, func(seen T) bool { return seen == want })
}

// Receive returns the next value from the channel, or the zero value once it is closed.
func Receive[T any](tb testing.TB, channel <-chan T, what string) T {
	tb.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case value := <-channel:
		return value
	case <-timer.C:
		tb.Fatalf("waited %v for %s", patience, what)
		panic("unreachable")
	}
}
