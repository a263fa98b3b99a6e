package upload

import (
	"context"
	"errors"
	"time"
)

// aside runs do in a goroutine of its own and waits for it: gRPC's has used up most of a
// small stack, which would never shrink again.
func (u *upload) aside(do func()) {
	done := make(chan struct{})
	u.server.goroutines.Go(func() {
		defer close(done)
		do()
	})
	<-done
}

// attend does what is due while the reader waits, and sets the clock to when there may
// be more to do.
func (u *upload) attend() {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.server.catch(u.ctx, u.end)
	next, err := u.checkPace()
	if err != nil {
		u.end(err)
		return
	}
	if u.pressed.Swap(false) && u.batches != nil {
		u.holdLess()
	}
	u.setClock(min(next, u.checkAge()))
}

// setClock has the clock fire after a while. The lock must be held.
func (u *upload) setClock(next time.Duration) {
	u.fires = time.Now().Add(next)
	u.clock.Reset(next)
}

// startAge notes that a batch was just opened, and when it will be too old.
func (u *upload) startAge() {
	u.opened = time.Now()
	if limit := u.server.MaxBatchAge; limit > 0 {
		u.aged = u.opened.Add(limit)
		if u.aged.Before(u.fires) {
			u.setClock(limit)
		}
	}
}

// checkAge sends the open batch if it is too old, and returns when to look again.
func (u *upload) checkAge() time.Duration {
	limit := u.server.MaxBatchAge
	if limit <= 0 || u.batches == nil || u.batches.Empty() {
		return maxPause
	}
	if left := time.Until(u.aged); left > 0 {
		return left
	}
	if err := u.forwardOpen(); err != nil { // it is still in the spool
		u.server.noteSpool(u.ctx, err)
		u.aged = time.Now().Add(limit)
		return limit
	}
	return maxPause // it is on its way, or goes when the one before has landed
}

// forwardOpen sends the open batch though it is not full, unless another one travels.
func (u *upload) forwardOpen() error {
	if u.options.singleBatch || !u.sender.tryTurn() {
		return nil
	}
	b, age, err := u.seal()
	if err != nil {
		u.sender.yield()
		return err
	}
	u.sender.post(b, age, false)
	return nil
}

// holdLess moves what the upload has compressed out of memory: to the spool if there
// is one with room, or else the open batch to the intake though it is not full. What is
// not possible now the budget asks for again.
func (u *upload) holdLess() {
	if u.server.Spool != nil {
		u.sender.spill()
	}
	if u.batches.Empty() {
		return
	}
	if u.server.Spool != nil {
		err := u.batches.Park(u.server.Spool)
		u.server.noteSpool(u.ctx, err)
		if err == nil {
			u.account.Stuck(false)
			return
		}
	}
	if u.options.singleBatch {
		u.account.Stuck(true) // it can't go out early
		return
	}
	u.server.noteSpool(u.ctx, u.forwardOpen())
}

// checkPace returns when to look again at how the client keeps sending and how long the
// stream lasts, or why it has to end.
func (u *upload) checkPace() (time.Duration, error) {
	next, err := u.receiver.pace.check()
	if err != nil {
		return 0, err
	}
	switch left := u.timeLeft(); {
	case left > 0:
		return min(next, left), nil
	case u.progress.header.Load() == nil:
		return next, nil // without metadata there is no progress to give back; begin looks at its age
	}
	return 0, ErrConnectionAge
}

// timeLeft returns for how long the stream may go on.
func (u *upload) timeLeft() time.Duration {
	if limit := u.server.MaxStreamAge; limit > 0 {
		return limit - time.Since(u.progress.began)
	}
	return maxPause
}

// giveBack returns what the client of a stream that has to end early is told: cause,
// unless the intake turns out to have accepted all of it. A batch that travels may
// land first, as otherwise nobody knows what became of it.
func (u *upload) giveBack(cause error) error {
	settling, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), u.server.SettleTime)
	defer cancel()
	if errors.Is(cause, ErrShuttingDown) {
		// The metadata may be on its way. Without it the client would have no progress
		// and begin its upload anew.
		select {
		case <-u.begun:
		case err := <-u.done:
			u.consumed = true
			if !errors.Is(err, cause) {
				return err
			}
		case <-settling.Done():
		}
	}
	if !u.sender.settle(settling) {
		return cause
	}
	if !u.consumed {
		<-u.done //nolint:errcheck // the reader waits for nothing any more, and all of it is accepted
		u.consumed = true
	}
	return nil
}
