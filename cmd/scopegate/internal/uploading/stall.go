package uploading

import (
	"iter"
	"sync"
	"time"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// stallInterval is how long the server must accept nothing before a stall is reported,
// and then how often it is reported.
const stallInterval = 10 * time.Second

// stall reports to a progress that the server accepts nothing.
type stall struct {
	progress Progress
	timer    *time.Timer

	mu         sync.Mutex
	since      time.Time // zero while not waiting for the server
	scopeCount int
}

func newStall(p Progress) *stall {
	s := &stall{progress: p}
	s.timer = time.AfterFunc(stallInterval, s.report)
	s.timer.Stop()
	return s
}

// begin begins waiting for the server, after so many scopes were sent.
func (s *stall) begin(scopeCount int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since, s.scopeCount = time.Now(), scopeCount
	s.timer.Reset(stallInterval)
}

// end ends waiting. Nothing is reported until begin is called again.
func (s *stall) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = time.Time{}
	s.timer.Stop()
}

func (s *stall) report() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() {
		return
	}
	s.progress.Wait(s.scopeCount, time.Since(s.since))
	s.timer.Reset(stallInterval)
}

// Observed returns the scopes of the source. It reports progress and stalls to p until
// end is called.
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
