// Package logged records logs in tests. Start at [Text], which keeps everything in
// memory.
package logged

import (
	"strings"
	"sync"
	"testing"

	"github.com/scopegate/scopegate/integration/wait"
)

// Text records what is written to it. Its zero value is ready to use. It is safe for
// concurrent use.
type Text struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write never fails.
func (x *Text) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.Write(p)
}

// String returns everything written so far.
func (x *Text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.String()
}

// Count returns how often part is in it.
func (x *Text) Count(part string) int { return strings.Count(x.String(), part) }

// Await waits until part is in it.
func (x *Text) Await(tb testing.TB, part string) {
	tb.Helper()
	_ = wait.Until(tb, "a log with "+part, x.String, func(log string) bool { return strings.Contains(log, part) })
}
