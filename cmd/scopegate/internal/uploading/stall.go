package uploading

import (
	"iter"
	"sync"
	"time"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// stallInterval is for how long the server must take nothing until that is told, and
// then how often.
const stallInterval = 10 * time.Second

// stall tells a progress that the server takes nothing, which holds the upload up.
type stall struct {
	progress Progress
	timer    *time.Timer

	mu         sync.Mutex
	since      time.Time // zero: the server is not waited for
	scopeCount int
}

func newStall(p Progress) *stall {
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
	s.progress.Wait(s.scopeCount, time.Since(s.since))
	s.timer.Reset(stallInterval)
}

// Observed returns the scopes of the source. It reports to p what becomes of them, and
// how long the server takes nothing, until end is called.
func Observed(src *Source, p Progress) (scopes iter.Seq2[*symdbv1.Scope, error], end func()) {
	waiting := newStall(p)
	return func(yield func(*symdbv1.Scope, error) bool) {
		scopeCount := 0
		for scope, err := range src.Scopes {
			waiting.begin(scopeCount)
			if !yield(scope, err) {
				return
			}
			waiting.end()
			scopeCount++
			p.Advance(scopeCount, src.done())
		}
		waiting.begin(scopeCount) // for the server's answer
	}, waiting.end
}
