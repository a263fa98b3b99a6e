package upload

import (
	"context"
	"errors"
	"time"
)

// onFreshStack runs handle in a new goroutine and waits for it. The event loop's own stack,
// mostly used up by gRPC, would grow, and never shrink as long as the stream lasts.
func (u *upload) onFreshStack(handle func()) {
	done := make(chan struct{})
	u.server.goroutines.Go(func() {
		defer close(done)
		handle()
	})
	<-done
}

// handleEvents does all that is due, and sets the clock for the next time.
func (u *upload) handleEvents() {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.server.catch(u.ctx, u.end)
	next, err := u.checkPace()
	if err != nil {
		u.end(err)
		return
	}
	if u.pressed.Swap(false) && u.batches != nil {
		u.freeMemory()
	}
	u.setClock(min(next, u.checkAge()))
}

// setClock sets the clock to fire after next.
func (u *upload) setClock(next time.Duration) {
	u.fires = time.Now().Add(next)
	u.clock.Reset(next)
}

// startAge notes when the open batch got its first scope, and when it will be too old.
func (u *upload) startAge() {
	u.opened = time.Now()
	if limit := u.server.MaxBatchAge; limit > 0 {
		u.aged = u.opened.Add(limit)
		if u.aged.Before(u.fires) {
			u.setClock(limit)
		}
	}
}

// checkAge forwards the open batch if it is too old. It returns when to check again.
func (u *upload) checkAge() time.Duration {
	limit := u.server.MaxBatchAge
	if limit <= 0 || u.batches == nil || u.batches.Empty() {
		return maxPause
	}
	if left := time.Until(u.aged); left > 0 {
		return left
	}
	if err := u.tryForward(); err != nil { // the spool failed, and still has the batch
		u.server.noteSpool(u.ctx, err)
		u.aged = time.Now().Add(limit)
		return limit
	}
	return maxPause // a batch is being posted, and its end wakes the event loop
}

// tryForward posts the open batch before it is full, unless another one is being posted.
func (u *upload) tryForward() error {
	if u.options.singleBatch || !u.sender.tryAcquire() {
		return nil
	}
	b, age, err := u.seal()
	if err != nil {
		u.sender.release()
		return err
	}
	u.sender.post(b, age, false)
	return nil
}

// freeMemory moves the upload's batches to the spool. If there is no spool, or it is full,
// freeMemory posts the open batch before it is full. If that is not possible now, the budget
// will ask again.
func (u *upload) freeMemory() {
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
		u.account.Stuck(true) // it must not be posted early
		return
	}
	u.server.noteSpool(u.ctx, u.tryForward())
}

// checkPace returns an error if the client is too slow or the stream too old, and otherwise
// when to check again.
func (u *upload) checkPace() (time.Duration, error) {
	next, err := u.receiver.pace.check()
	if err != nil {
		return 0, err
	}
	switch left := u.timeLeft(); {
	case left > 0:
		return min(next, left), nil
	case u.progress.header.Load() == nil:
		return next, nil // begin checks the age, once there is progress to report
	}
	return 0, ErrConnectionAge
}

// timeLeft returns how long the stream may last from now.
func (u *upload) timeLeft() time.Duration {
	if limit := u.server.MaxStreamAge; limit > 0 {
		return limit - time.Since(u.progress.began)
	}
	return maxPause
}

// settle ends a stream early. It first gives the batch being posted up to SettleTime, so
// that the progress is known. It returns cause, or nil if the intake has accepted all.
func (u *upload) settle(cause error) error {
	settling, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), u.server.SettleTime)
	defer cancel()
	if errors.Is(cause, ErrShuttingDown) {
		// The metadata may still arrive. Without it there is no progress, and the client
		// would start over.
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
		<-u.done //nolint:errcheck // the reader ends by itself, and all is accepted
		u.consumed = true
	}
	return nil
}
