package memory

import "time"

// AwaitRelief returns when no more is drawn than there is, or after a time. It is for
// what would draw more and can't be refused.
func (b *Budget) AwaitRelief(longest time.Duration) {
	if !b.Exceeded() {
		return
	}
	relief := b.nextRelief()
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
	}
	return b.relief
}

// relieve lets those go on that wait for relief, if there is some. It must be called
// with mu held.
func (b *Budget) relieve() {
	if b.relief != nil && !b.Exceeded() {
		close(b.relief)
		b.relief = nil
	}
}
