package server

import (
	"sync"
	"time"
)

// sampleInterval is the time between two that a sampler lets through.
const sampleInterval = time.Second

// sampler lets one a second through of what may come as often as somebody likes.
// The zero value is ready. It is safe for concurrent use.
type sampler struct {
	mu      sync.Mutex
	next    time.Time
	skipped int
}

// take tells whether this one goes through, and how many did not since the last
// one that did.
func (s *sampler) take(now time.Time) (skipped int, ok bool) {
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
