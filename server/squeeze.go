package server

// squeeze moves out of memory what the upload has compressed: to the spool, where
// there is one that has room, or else the open batch to the intake, though it is
// not full. What is not possible now is asked for again by the budget.
func (u *upload) squeeze() {
	u.delivery.spill()
	if !u.mu.TryLock() {
		return
	}
	defer u.mu.Unlock()
	if u.batches == nil || u.batches.Empty() {
		return
	}
	if u.service.spool != nil {
		err := u.batches.Park(u.service.spool)
		u.service.noteSpool(u.delivery.ctx, err)
		if err == nil {
			u.account.Stuck(false)
			return
		}
	}
	if u.options.singleBatch {
		u.account.Stuck(true)
		return
	}
	if !u.delivery.busy() {
		_ = u.forward() // an error is the delivery's, and kept there
	}
}
