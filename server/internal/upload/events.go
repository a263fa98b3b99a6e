package upload

import (
	"context"
	"errors"
	"time"

	"github.com/scopegate/scopegate/server/internal/memory"
)

// act does what an event asks for while the reader waits, and ends the stream if
// that fails.
func (u *upload) act(do func() error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.batches == nil {
		return
	}
	if err := do(); err != nil {
		u.end(err)
	}
}

// onPressure does what the budget asks for. It is called by the budget's goroutine.
func (u *upload) onPressure(order memory.Order) {
	if order == memory.GiveUp {
		u.end(ErrMemory)
		return
	}
	select {
	case u.squeezed <- struct{}{}:
	default: // it is asked to already
	}
}

// startAge starts the clock of a batch that has just been opened.
func (u *upload) startAge() {
	if limit := u.server.MaxBatchAge; limit > 0 {
		u.age.Reset(limit)
	}
}

// forwardOpen sends the open batch though it is not full: now, or once the batch
// before is accepted.
func (u *upload) forwardOpen() error {
	if u.batches.Empty() || u.options.singleBatch {
		return nil
	}
	if !u.sender.tryTurn() {
		u.overdue = true
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

// forwardOverdue sends the open batch if that had to wait for the batch before.
func (u *upload) forwardOverdue() error {
	if !u.overdue {
		return nil
	}
	return u.forwardOpen()
}

// holdLess moves what the upload has compressed out of memory: to the spool if there
// is one with room, or else the open batch to the intake though it is not full.
func (u *upload) holdLess() error {
	spool := u.server.Spool
	if spool != nil {
		u.server.noteSpool(u.ctx, u.sender.bodies.spill(spool))
	}
	if u.batches.Empty() {
		return nil
	}
	if spool != nil {
		err := u.batches.Park(spool)
		u.server.noteSpool(u.ctx, err)
		if err == nil {
			u.account.Stuck(false)
			return nil
		}
	}
	u.account.Stuck(u.options.singleBatch) // a single batch can't go out early
	return u.forwardOpen()
}

// checkPace ends a stream whose client is too slow or that has lasted too long, and
// sets the clock to when that is to be checked again.
func (u *upload) checkPace() {
	next, err := u.receiver.pace.check()
	// Before its metadata is known a stream has no progress to give back, so age does
	// not end it.
	if left := u.timeLeft(); err == nil && u.isBegun() {
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

func (u *upload) isBegun() bool {
	select {
	case <-u.begun:
		return true
	default:
		return false
	}
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
			return err
		case <-settling.Done():
		}
	}
	if u.sender.settle(settling) {
		return nil
	}
	return cause
}
