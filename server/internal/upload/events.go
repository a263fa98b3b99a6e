package upload

import "time"

// handle handles everything that can happen while the reader waits: a batch was accepted or
// got too old, memory is short, the client is too slow. Any goroutine may call it.
func (u *upload) handle() {
	if u.handling.Swap(true) {
		return // another goroutine is about to do so
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.handling.Store(false)
	if u.closed {
		return
	}
	if err := u.onLargeStack(u.handleEvents); err != nil {
		u.End(err)
	}
}

// handleEvents does all that is due, and sets the clock for the next time. It returns why the
// stream must end, or nil.
func (u *upload) handleEvents() error {
	next, err := u.checkPace()
	if err != nil {
		return err
	}
	if u.pressed.Swap(false) && u.batches != nil {
		u.freeMemory()
	}
	next = min(next, u.forwardIfOld())
	u.setClock(next)
	return nil
}

// setClock sets the clock to fire after next.
func (u *upload) setClock(next time.Duration) {
	u.clockAt = time.Now().Add(next)
	u.clock.Reset(next)
}

// wakeWithin makes the clock fire after next, unless it fires earlier.
func (u *upload) wakeWithin(next time.Duration) {
	if time.Now().Add(next).Before(u.clockAt) {
		u.setClock(next)
	}
}

// startAge notes when the open batch got its first scope, and when it will be too old.
func (u *upload) startAge() {
	u.openedAt = time.Now()
	if limit := u.maxBatchAge(); limit > 0 {
		u.tooOldAt = u.openedAt.Add(limit)
		u.wakeWithin(limit)
	}
}

// maxBatchAge is the client's limit or the server's, whichever is lower. 0 means none.
func (u *upload) maxBatchAge() time.Duration {
	limit, own := u.server.MaxBatchAge, u.sender.options.maxBatchAge
	if own > 0 && (limit <= 0 || own < limit) {
		return own
	}
	return limit
}

// forwardIfOld forwards the open batch if it is too old. It returns when to call it again.
func (u *upload) forwardIfOld() time.Duration {
	limit := u.maxBatchAge()
	if limit <= 0 || u.batches == nil || u.batches.Empty() {
		return maxPause
	}
	if left := time.Until(u.tooOldAt); left > 0 {
		return left
	}
	if err := u.tryForward(); err != nil { // the spool failed, and still has the batch
		u.server.noteSpool(err)
		u.tooOldAt = time.Now().Add(limit)
		return limit
	}
	return maxPause // it was posted, or another batch is, and either's end wakes the upload up
}

// tryForward posts the open batch before it is full, unless another one is being posted.
func (u *upload) tryForward() error {
	if u.sender.options.singleBatch || !u.sender.tryAcquire(u.ctx) {
		return nil
	}
	sealed := false
	defer func() {
		if !sealed { // Resume failed, or something panicked
			u.sender.release()
		}
	}()
	b, age, err := u.seal()
	if err != nil {
		return err
	}
	sealed = true
	u.server.goroutines.Go(u.sender.number(b, age, false))
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
		u.server.noteSpool(err)
		if err == nil {
			u.account.Stuck(false)
			return
		}
	}
	if u.sender.options.singleBatch {
		u.account.Stuck(true) // it must not be posted early
		return
	}
	u.server.noteSpool(u.tryForward())
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
