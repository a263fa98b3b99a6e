package uploading

import (
	"iter"
	"sync"
	"time"

	"github.com/scopegate/scopegate/client"
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

// Observed is a source whose progress is shown while it is uploaded.
type Observed struct {
	src      *Source
	progress Progress
	waiting  *stall
}

// Observe shows the progress of src, and stalls, until End is called.
func Observe(src *Source, p Progress) *Observed {
	return &Observed{src: src, progress: p, waiting: newStall(p)}
}

// Scopes returns the scopes of the source.
func (o *Observed) Scopes() iter.Seq2[*symdbv1.Scope, error] {
	return func(yield func(*symdbv1.Scope, error) bool) {
		scopeCount := 0
		for scope, err := range o.src.Scopes {
			o.waiting.begin(scopeCount)
			if !yield(scope, err) {
				return
			}
			o.waiting.end()
			scopeCount++
			o.progress.Advance(scopeCount, o.src.done())
		}
		o.waiting.begin(scopeCount) // for the server's answer
	}
}

// Retry shows that the upload resumes. Until it does, no server is waited for.
func (o *Observed) Retry(event client.RetryEvent) {
	o.waiting.end()
	o.progress.Retry(event)
}

// End must be called once, after all other methods.
func (o *Observed) End(succeeded bool) {
	o.waiting.end()
	o.progress.End(succeeded)
}
