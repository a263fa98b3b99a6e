package wait

import (
	"fmt"
	"testing"
	"testing/synctest"
)

// failing keeps why it failed, and fails nothing.
type failing struct {
	testing.TB
	text string
}

func (f *failing) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
	panic(f)
}

// TestFailuresSayWhatWasSeen: a test that waits in vain says for what, and what was
// there instead.
func TestFailuresSayWhatWasSeen(t *testing.T) {
	t.Parallel()
	for want, waits := range map[string]func(testing.TB){
		"waited 2m0s for three; last seen: 2": func(tb testing.TB) { tb.Helper(); Equal(tb, "three", func() int { return 2 }, 3) },
		"waited 2m0s for a message":           func(tb testing.TB) { tb.Helper(); Receive(tb, make(chan int), "a message") },
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &failing{TB: t}
			defer func() {
				if got := recover(); got != f || f.text != want {
					t.Errorf("failed with %q (%v), want %q", f.text, got, want)
				}
			}()
			waits(f)
		})
	}
}

// TestUntilReturnsWhatItSaw: the value that ended the wait, not an earlier one.
func TestUntilReturnsWhatItSaw(t *testing.T) {
	t.Parallel()
	n := 0
	look := func() int { n++; return n }
	if got := Until(t, "three", look, func(seen int) bool { return seen == 3 }); got != 3 {
		t.Errorf("Until(...) = %d, want 3", got)
	}
}
