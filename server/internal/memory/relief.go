package memory

import "time"

// AwaitRelief waits until the budget is no longer exceeded, but no longer than longest. It
// is for reads that will draw more and can't be refused.
func (b *Budget) AwaitRelief(longest time.Duration) {
	if !b.Exceeded() {
		return
	}
	relief := b.nextRelief()
	b.wakeOverseer()
	timer := time.NewTimer(longest)
	defer timer.Stop()
	select {
	case <-relief:
	case <-timer.C:
	case <-b.stop:
	}
}

func (b *Budget) nextRelief() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts.Pauses++
	if b.relief == nil {
		b.relief = make(chan struct{})
		b.paused.Store(true)
	}
	return b.relief
}

// relieve ends the waits for relief once the budget is not exceeded. The caller must hold mu.
func (b *Budget) relieve() {
	if b.relief != nil && !b.Exceeded() {
		close(b.relief)
		b.relief = nil
		b.paused.Store(false)
	}
}
