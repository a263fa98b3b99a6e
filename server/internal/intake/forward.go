package intake

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/scopegate/scopegate/server/internal/batch"
)

// Forward posts the batch until the intake accepts it with any status of 2xx,
// and then returns nil. Every attempt sends the same bytes. Forward gives up with
// an [*Error]:
//
//   - at once when the intake refuses the batch, for good or at this size
//     ([Error.TooLarge]);
//   - with what the last attempt met, when the next one would begin after
//     Config.BatchDeadline, or would end after ctx's deadline if it took twice as
//     long as the last one;
//   - with ctx's error when the caller cancels it.
//
// Forward does not read the batch after it has returned.
func (c *Client) Forward(ctx context.Context, b *batch.Batch) error {
	return c.ForwardFor(ctx, Sender{}, b)
}

// Sender is whose batch is forwarded.
type Sender struct {
	// Caller is who takes turns with others, see Config.MaxConnections. Empty: the
	// service of the batch.
	Caller string
	// AdditionalTags replaces Config.AdditionalTags. Empty: it does not. It must
	// have no control character.
	AdditionalTags string
}

// ForwardFor is [Client.Forward] for a sender.
func (c *Client) ForwardFor(ctx context.Context, from Sender, b *batch.Batch) error {
	f := c.newForwarding(from, b)
	for {
		p, err := c.turns.take(ctx, f.caller, &f.deadline)
		if err != nil {
			return f.failure(err)
		}
		held := f.attempt(ctx, p)
		if f.last.class == ClassAccepted {
			return nil
		}
		pause := f.pause(held)
		if !f.last.retry || f.tooLate(ctx, pause) {
			return f.failure(nil)
		}
		if err := sleep(ctx, pause); err != nil {
			return f.failure(err)
		}
	}
}

// forwarding is one batch that is being forwarded.
type forwarding struct {
	client   *Client
	form     *form
	batchNum int32
	caller   string
	tags     string
	// deadline is when the batch's own deadline passes; zero: it has none. It is
	// put off while the batch waits for its turn.
	deadline time.Time

	attempts   int
	last       postResult    // of the last attempt
	inDoubt    bool          // in any attempt
	retryAfter time.Duration // of the last answer
}

func (c *Client) newForwarding(from Sender, b *batch.Batch) *forwarding {
	f := &forwarding{
		client: c, form: newForm(b), batchNum: b.Num,
		caller: cmp.Or(from.Caller, b.Header.Service),
		tags:   cmp.Or(from.AdditionalTags, c.config.AdditionalTags),
	}
	if c.config.BatchDeadline > 0 {
		f.deadline = time.Now().Add(c.config.BatchDeadline)
	}
	return f
}

// attempt posts the batch once, gives its turn back, and reports the result. It
// returns whether the intake is left alone now.
func (f *forwarding) attempt(ctx context.Context, p permit) (held bool) {
	c, begin := f.client, time.Now()
	var r postResult
	func() {
		defer func() { held = c.turns.give(p, &r) }() // even if post panics
		r = c.post(ctx, f.form, f.tags)
	}()
	r.took = time.Since(begin)
	f.attempts++
	f.last = r
	f.inDoubt = f.inDoubt || r.inDoubt
	if r.status != 0 {
		f.retryAfter = r.retryAfter
	}
	c.turns.outages.deliver()
	if c.onAttempt != nil {
		c.onAttempt(Attempt{
			BatchNum: f.batchNum, Number: f.attempts, HTTPStatus: r.status, Class: r.class,
			InDoubt: r.inDoubt, RetryAfter: r.retryAfter, Reason: r.reason(), Duration: r.took,
		})
	}
	return held
}

// pause returns how long to wait before the next attempt.
func (f *forwarding) pause(held bool) time.Duration {
	step := f.attempts
	if held {
		step = 1 // the breaker slows the batch down
	}
	return f.client.config.Retry.pause(step, f.last.retryAfter, rand.Float64()) //nolint:gosec // spreads load, guards nothing
}

// tooLate reports whether it is too late for an attempt after the pause. An attempt
// may outlast the batch's own deadline, but the caller's would cut it off, which
// leaves the batch in doubt.
func (f *forwarding) tooLate(ctx context.Context, pause time.Duration) bool {
	if !f.deadline.IsZero() && time.Until(f.deadline) <= pause {
		return true
	}
	deadline, limited := ctx.Deadline()
	return limited && time.Until(deadline) <= pause+2*f.last.took
}

// failure returns the error that Forward gives up with: what the last attempt met,
// or, if the caller cancelled or there was none, why there is no further attempt.
func (f *forwarding) failure(stopped error) *Error {
	e := &Error{BatchNum: f.batchNum, Attempts: f.attempts, RetryAfter: f.retryAfter, inDoubt: f.inDoubt}
	if f.attempts == 0 || errors.Is(stopped, context.Canceled) {
		e.Err = stopped
		return e
	}
	e.HTTPStatus, e.Answer, e.Err = f.last.status, f.last.answer, f.last.err
	if f.client.isRelayed() {
		e.Relay = f.client.Proxy()
	}
	return e
}

// sleep waits for d, or fails with ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}
