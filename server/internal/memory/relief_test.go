package memory_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/server/internal/memory"
)

// AwaitRelief waits while the budget is exceeded, but not forever.
func TestRelief(t *testing.T) {
	t.Parallel()
	const longest = time.Second
	for name, test := range map[string]struct {
		drawn   int
		after   time.Duration // when back is given back
		back    int
		soonest time.Duration
		latest  time.Duration
	}{
		"there is room":       {drawn: percent(99)},
		"some is given back":  {drawn: percent(101), after: 300 * time.Millisecond, back: percent(2), soonest: 300 * time.Millisecond, latest: 400 * time.Millisecond},
		"all is given back":   {drawn: percent(101), after: 300 * time.Millisecond, back: percent(101), soonest: 300 * time.Millisecond, latest: 400 * time.Millisecond},
		"too little is":       {drawn: percent(103), after: 300 * time.Millisecond, back: percent(2), soonest: longest, latest: longest},
		"nothing is for long": {drawn: percent(101), after: 2 * longest, back: percent(101), soonest: longest, latest: longest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := memory.New(memory.Limits{Bytes: limitBytes})
				defer b.Close()
				b.Draw(test.drawn)
				giveBack := time.AfterFunc(test.after, func() { b.Draw(-test.back) })
				defer giveBack.Stop()
				began := time.Now()
				b.AwaitRelief(longest)
				if took := time.Since(began); took < test.soonest || took > test.latest {
					t.Errorf("waited for %v, want %v to %v", took, test.soonest, test.latest)
				}
				if paused := b.Counts().Pauses == 1; paused != (test.soonest > 0) {
					t.Errorf("%d pauses were counted", b.Counts().Pauses)
				}
			})
		})
	}
}

// Closing the budget ends the wait.
func TestReliefAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Limits{Bytes: limitBytes})
		b.Draw(percent(101))
		go b.Close()
		began := time.Now()
		b.AwaitRelief(time.Hour)
		if took := time.Since(began); took != 0 {
			t.Errorf("waited for %v, want 0", took)
		}
	})
}
