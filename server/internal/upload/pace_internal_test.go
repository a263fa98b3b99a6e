package upload

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestPace: a step lets time pass, and may have the client send or the server wait
// for it; the check at its end gives the error that is expected.
func TestPace(t *testing.T) {
	t.Parallel()
	type step struct {
		passes  time.Duration
		receive int  // bytes of a message that comes then; 0: none
		wait    bool // the server waits for the client from then on
		want    error
	}
	limits := Config{FirstMessageTimeout: 90 * time.Second, IdleTimeout: time.Minute, MinBytesPerSecond: 10}
	const second, minute = time.Second, time.Minute
	for name, test := range map[string]struct {
		limits Config
		steps  []step
	}{
		"nothing comes at all": {limits, []step{{89 * second, 0, false, nil}, {second, 0, false, errNoMetadata}}},
		"idle after the first message": {limits, []step{
			{89 * second, 1000, true, nil},
			{59 * second, 0, false, nil},
			{second, 0, false, nil},
			{59 * second, 0, false, nil},
			{second, 0, false, ErrTooSlow},
		}},
		"slower than it may be": {limits, []step{{20 * second, 300, true, nil}, {59 * second, 299, true, nil}, {second, 0, false, ErrTooSlow}}},
		"as slow as it may be": {limits, []step{
			{20 * second, 300, true, nil},
			{59 * second, 300, true, nil},
			{second, 0, false, nil},
			{59 * second, 600, true, nil},
			{second, 0, false, nil},
		}},
		"the server does not read": {limits, []step{
			{second, 10, false, nil},
			{24 * 60 * minute, 0, false, nil},
			{second, 0, true, nil},
			{59 * second, 0, false, nil},
			{second, 0, false, ErrTooSlow},
		}},
		"no minimum": {Config{FirstMessageTimeout: second, IdleTimeout: minute}, []step{
			{0, 1, true, nil}, {minute, 0, false, nil}, {59 * second, 1, true, nil}, {second, 0, false, nil}, {minute, 0, false, ErrTooSlow},
		}},
		"no idle timeout": {Config{FirstMessageTimeout: second}, []step{
			{0, 1, true, nil}, {1000 * 60 * minute, 0, false, nil}, {1000 * 60 * minute, 0, false, nil},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var p pace
				p.begin(&test.limits)
				for i, s := range test.steps {
					pass(s.passes)
					if s.receive > 0 {
						p.receive(s.receive)
						p.stop()
					}
					if s.wait {
						p.wait()
					}
					next, err := p.check()
					if !errors.Is(err, s.want) {
						t.Fatalf("step %d: %v, want %v", i, err, s.want)
					}
					idle := test.limits.IdleTimeout
					if err == nil && (next < idle/maxChecks || next <= 0 || next > maxPause || idle > 0 && next > idle) {
						t.Errorf("step %d: look again after %v", i, next)
					}
				}
			})
		})
	}
}

// TestPaceIsNotLookedAtInALoop: of the idle time a rest is left that does not pass,
// as the server does not wait.
func TestPaceIsNotLookedAtInALoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p pace
		p.begin(&Config{FirstMessageTimeout: time.Minute, IdleTimeout: time.Minute, MinBytesPerSecond: 1})
		pass(time.Minute - time.Nanosecond)
		p.receive(1)
		p.stop()
		if next, err := p.check(); err != nil || next < time.Second/2 {
			t.Errorf("look again after %v, %v", next, err)
		}
	})
}

// pass lets a test's own clock run on (testing/synctest).
func pass(d time.Duration) { <-time.After(d) }
