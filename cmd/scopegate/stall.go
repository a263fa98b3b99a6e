package main

import (
	"sync"
	"time"
)

// stallInterval is for how long the server must take nothing until that is told, and
// then how often.
const stallInterval = 10 * time.Second

// stall tells a progress that the server takes nothing, which holds the upload up.
type stall struct {
	progress progress
	timer    *time.Timer

	mu         sync.Mutex
	since      time.Time // zero: the server is not waited for
	scopeCount int
}

func newStall(p progress) *stall {
	s := &stall{progress: p}
	s.timer = time.AfterFunc(stallInterval, s.tell)
	s.timer.Stop()
	return s
}

// begin tells that the server is waited for, when so many scopes are sent.
func (s *stall) begin(scopeCount int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since, s.scopeCount = time.Now(), scopeCount
	s.timer.Reset(stallInterval)
}

// end tells that it is not waited for any more. The progress is told nothing until
// begin is called again.
func (s *stall) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = time.Time{}
	s.timer.Stop()
}

func (s *stall) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() {
		return
	}
	s.progress.wait(s.scopeCount, time.Since(s.since))
	s.timer.Reset(stallInterval)
}
