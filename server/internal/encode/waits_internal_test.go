package encode

import (
	"testing"
	"testing/synctest"
	"time"
)

// Who waits for a compressor is counted while it does, and how long it took.
func TestState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		settings := DefaultSettings()
		settings.Compressors = 1
		pool, err := NewPool(settings)
		if err != nil {
			t.Fatal(err)
		}
		first := pool.borrow()
		got := make(chan *compressor)
		go func() { got <- pool.borrow() }()
		synctest.Wait()
		if s := pool.State(); s != (PoolState{Compressors: 1, InUse: 1, Waiting: 1}) {
			t.Errorf("while one waits: %+v, want one in use, one waiting", s)
		}
		<-time.After(time.Second)
		pool.giveBack(first)
		pool.giveBack(<-got)
		if s := pool.State(); s != (PoolState{Compressors: 1, Waits: 1, Waited: time.Second}) {
			t.Errorf("at the end: %+v, want one wait of a second", s)
		}
	})
}
