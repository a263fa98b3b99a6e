// Package wait waits, in tests, for what the program does in its own time: start at
// [Until]. It is not for code in a synctest bubble, which can wait for exactly that.
package wait

import (
	"testing"
	"time"
)

// patience is far more than anything takes, even on a busy machine: it only ends
// tests that fail.
const patience = 2 * time.Minute

// period is the pause between two looks.
const period = time.Millisecond

// Until looks until done reports true for what is seen, and returns that. The test
// fails if that takes minutes; what says what is waited for.
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

// Equal looks until it sees what is wanted.
func Equal[T comparable](tb testing.TB, what string, look func() T, want T) {
	tb.Helper()
	_ = Until(tb, what, look, func(seen T) bool { return seen == want })
}

// Receive returns what the channel brings, or the zero value once it is closed.
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
