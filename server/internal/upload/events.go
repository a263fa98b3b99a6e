package upload

import (
	"context"
	"errors"
	"time"
)

// act does what an event asks for while the reader waits.
func (u *upload) act(do func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.server.catch(u.ctx, u.end)
	if u.batches != nil {
		do()
	}
}

// startAge starts the clock of a batch that has just been opened.
func (u *upload) startAge() {
	if limit := u.server.MaxBatchAge; limit > 0 {
		u.age.Reset(limit)
	}
}

// forwardOpen sends the open batch though it is not full: now, or once the batch
// before has landed.
func (u *upload) forwardOpen() {
	if u.batches.Empty() || u.options.singleBatch {
		return
	}
	if !u.sender.tryTurn() {
		u.overdue = true
		return
	}
	b, age, err := u.seal()
	if err != nil { // it is still in the spool
		u.sender.yield()
		u.server.noteSpool(u.ctx, err)
		u.startAge()
		return
	}
	u.sender.post(b, age, false)
}

// forwardOverdue sends the open batch if it had to wait for the batch before.
func (u *upload) forwardOverdue() {
	if u.overdue {
		u.forwardOpen()
	}
}

// holdLess moves what the upload has compressed out of memory: to the spool if there
// is one with room, or else the open batch to the intake though it is not full.
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
	}
	u.forwardOpen()
}

// checkPace ends a stream whose client is too slow or that has lasted too long, and
// sets the clock to when that is to be checked again.
func (u *upload) checkPace() {
	next, err := u.receiver.pace.check()
	// Without its metadata a stream has no progress to give back, so age does not end
	// it; begin looks at its age.
	if left := u.timeLeft(); err == nil && u.progress.header.Load() != nil {
		if left <= 0 {
			err = ErrConnectionAge
		}
		next = min(next, left)
	}
	if err != nil {
		u.end(err)
		return
	}
	u.clock.Reset(next)
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
			if !errors.Is(err, cause) {
				return err
			}
		case <-settling.Done():
		}
	}
	if u.sender.settle(settling) {
		return nil
	}
	return cause
}
