package server

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/scopegate/scopegate/server/internal/memory"
)

// interrupt ends the stream for the reason given, soon: when a batch that is on
// its way has come to its end, and unless that was the last one and accepted. The
// first reason counts. It may be called by any goroutine.
func (u *upload) interrupt(reason error) {
	if u.reason.CompareAndSwap(nil, &reason) {
		close(u.interrupted)
	}
}

// obey does what the budget asks for.
func (u *upload) obey(order memory.Order) {
	if order == memory.GiveUp {
		u.interrupt(errMemory)
		return
	}
	u.squeeze()
}

// startClock has the stream interrupted when it is too old, or its client too
// slow.
func (u *upload) startClock() {
	u.clock = time.AfterFunc(maxPause, u.tick)
	u.clock.Reset(0)
}

func (u *upload) tick() {
	next, err := u.check()
	if err != nil {
		u.interrupt(err)
		return
	}
	u.clock.Reset(next)
	if u.ended.Load() {
		u.clock.Stop() // it ended meanwhile
	}
}

// check returns when to look again at how long the stream lasts and how its
// client keeps sending, or why it is to end. Age does not end it before its metadata
// is known: without that there is no progress to give back.
func (u *upload) check() (time.Duration, error) {
	next, err := u.stream.pace.check()
	switch left := u.timeLeft(); {
	case err != nil:
		return 0, err
	case left > 0:
		return min(next, left), nil
	case u.standing.header.Load() == nil:
		return next, nil // begin looks at it
	}
	return 0, errConnectionAge
}

// timeLeft returns for how long the stream may go on.
func (u *upload) timeLeft() time.Duration {
	if limit := u.service.config.MaxConnectionAge; limit > 0 {
		return limit - time.Since(u.stream.pace.began)
	}
	return maxPause
}

// uploads are the streams in flight.
type uploads struct {
	mu     sync.Mutex
	open   map[*upload]struct{}
	reason error // why none shall be open any more
}

func (s *uploads) add(u *upload) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[*upload]struct{}{}
	}
	s.open[u] = struct{}{}
	if s.reason != nil {
		u.interrupt(s.reason)
	}
}

func (s *uploads) remove(u *upload) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, u)
}

// count returns how many are open.
func (s *uploads) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// list returns those that are open, in any order.
func (s *uploads) list() []*upload {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.AppendSeq(make([]*upload, 0, len(s.open)), maps.Keys(s.open))
}

// interrupt interrupts those that are open, and those to come.
func (s *uploads) interrupt(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reason = reason
	for u := range s.open {
		u.interrupt(reason)
	}
}
