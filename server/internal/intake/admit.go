package intake

import (
	"context"
	"errors"
	"time"
)

// admit waits until the gate lets the batch through and it is its turn, which has
// to be given back. It waits at the gate without a turn, and for its turn without
// a pass. So passes are never stale, and nobody's turn is spent waiting; and when
// the gate shuts, the turn that comes free runs through all that wait for one and
// sends them to the gate, so that a probe finds none of them in front of it.
func (f *forwarding) admit(ctx context.Context) (pass, error) {
	for {
		watches, err := f.await(ctx)
		if err != nil {
			return pass{}, err
		}
		p, ok, err := f.enter(ctx, watches)
		if ok || err != nil {
			return p, err
		}
	}
}

// await waits at the gate, until the batch's own deadline.
func (f *forwarding) await(ctx context.Context) (watches bool, err error) {
	if err := ended(ctx); err != nil {
		return false, err
	}
	if !f.deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, f.deadline, errBatchDeadline)
		defer cancel()
	}
	watches, err = f.client.gate.await(ctx)
	if err != nil && !errors.Is(err, errHeld) {
		err = ended(ctx)
	}
	return watches, err
}

// enter takes a turn and, if the gate still has one, a pass. Meanwhile the
// batch's clock stands still.
func (f *forwarding) enter(ctx context.Context, watches bool) (p pass, ok bool, err error) {
	c := f.client
	if watches {
		defer c.gate.unwatch()
	}
	begin := time.Now()
	if err := c.turns.take(ctx, f.caller); err != nil {
		return pass{}, false, err
	}
	now := time.Now()
	if !f.deadline.IsZero() {
		f.deadline = f.deadline.Add(now.Sub(begin))
	}
	p, ok = c.gate.try(now)
	if !ok {
		c.turns.give()
	}
	return p, ok, nil
}
