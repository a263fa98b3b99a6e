// Package logs keeps short what strangers can have the server log.
package logs

import (
	"sync"
	"time"
)

// sampleInterval is the time between two that a Sampler lets through.
const sampleInterval = time.Second

// Sampler lets one a second through of what may come as often as somebody likes.
// The zero value is ready. It is safe for concurrent use.
type Sampler struct {
	mu      sync.Mutex
	next    time.Time
	skipped int
}

// Take tells whether this one goes through, and how many did not since the last
// one that did.
func (s *Sampler) Take(now time.Time) (skipped int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.next) {
		s.skipped++
		return 0, false
	}
	skipped, s.skipped = s.skipped, 0
	s.next = now.Add(sampleInterval)
	return skipped, true
}
