package intake

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/scopegate/scopegate/server/internal/batch"
)

// Caller is the client that a batch is forwarded for.
type Caller struct {
	// Name identifies the caller, which takes turns with others, see
	// Config.MaxConnections. The default is the service of the batch.
	Name string
	// AdditionalTags replaces Config.AdditionalTags unless it is empty. It must not
	// contain control characters.
	AdditionalTags string
}

// Forward posts the batch until the intake accepts it with a 2xx status, and then
// returns nil. Every attempt sends the same bytes. It gives up with an [*Error]:
//
//   - at once, if the intake refuses the batch for good, or at this size
//     ([Error.TooLarge]);
//   - with the failure of the last attempt, if the next one would start after
//     Config.BatchDeadline, or would miss ctx's deadline if it took twice as long as
//     the last one;
//   - with [ErrUnreadable], if the batch can't be read;
//   - with ctx's error, if the caller cancels.
//
// It does not read the batch after it returns.
func (c *Client) Forward(ctx context.Context, from Caller, b *batch.Batch) error {
	f := c.newForwarding(from, b)
	for {
		p, err := c.turns.acquire(ctx, f.caller, &f.deadline)
		if err != nil {
			return f.failure(ctx, err)
		}
		held := f.attempt(ctx, p)
		if f.last.class == ClassAccepted {
			return nil
		}
		pause := f.pause(held)
		if !f.last.retry || f.tooLate(ctx, pause) {
			return f.failure(ctx, nil)
		}
		if err := sleep(ctx, pause); err != nil {
			return f.failure(ctx, err)
		}
	}
}

// forwarding is the state of one call of Forward.
type forwarding struct {
	client   *Client
	form     *form
	batchNum int32
	caller   string
	to       address
	// deadline is Config.BatchDeadline as a time, or zero. It is postponed while the
	// batch waits for its turn.
	deadline time.Time

	attempts   int
	last       postResult
	inDoubt    bool          // after any attempt
	retryAfter time.Duration // from the last answer
}

func (c *Client) newForwarding(from Caller, b *batch.Batch) *forwarding {
	f := &forwarding{
		client: c, form: newForm(b), batchNum: b.Num,
		caller: cmp.Or(from.Name, b.Header.Service),
		to:     c.addressOf(from, b.Header),
	}
	if c.config.BatchDeadline > 0 {
		f.deadline = time.Now().Add(c.config.BatchDeadline)
	}
	return f
}

// attempt posts the batch once, releases the turn, and reports the result to the
// callbacks. It reports whether batches are held back now.
func (f *forwarding) attempt(ctx context.Context, p permit) (held bool) {
	c, start := f.client, time.Now()
	var r postResult
	func() {
		defer func() { held = c.turns.release(p, &r) }() // even if post panics
		r = c.post(ctx, f.form, f.to)
	}()
	r.took = time.Since(start)
	f.attempts++
	f.last = r
	f.inDoubt = f.inDoubt || r.inDoubt
	if r.status != 0 {
		f.retryAfter = r.retryAfter
	}
	c.turns.outages.deliver()
	if c.onAttempt != nil {
		c.onAttempt(Attempt{
			BatchNum: f.batchNum, Bytes: f.form.file.File.Len(), Number: f.attempts, HTTPStatus: r.status, Class: r.class,
			InDoubt: r.inDoubt, Reason: r.reason(), Duration: r.took,
		})
	}
	return held
}

// pause returns how long to wait before the next attempt.
func (f *forwarding) pause(held bool) time.Duration {
	step := f.attempts
	if held {
		step = 1 // the breaker spaces attempts out already
	}
	return f.client.config.Retry.pause(step, f.last.retryAfter, rand.Float64()) //nolint:gosec // spreads load, guards nothing
}

// tooLate reports whether it is too late for an attempt after the pause. Only its
// start must be within the batch's deadline. The caller's deadline would cut it off,
// which would leave the batch in doubt, so there must be time for all of it.
func (f *forwarding) tooLate(ctx context.Context, pause time.Duration) bool {
	if !f.deadline.IsZero() && time.Until(f.deadline) <= pause {
		return true
	}
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) <= pause+2*f.last.took
}

// failure returns the failure of the last attempt; or stopped, the reason not to start
// another, if there was no attempt or the caller cancelled.
func (f *forwarding) failure(ctx context.Context, stopped error) *Error {
	e := &Error{BatchNum: f.batchNum, Attempts: f.attempts, RetryAfter: f.retryAfter, inDoubt: f.inDoubt}
	if f.attempts == 0 || errors.Is(stopped, context.Canceled) {
		e.Err = stopped
		if held, ok := errors.AsType[*heldError](stopped); ok {
			e.RetryAfter = held.wait
		}
		return e
	}
	e.HTTPStatus, e.Answer, e.Err = f.last.status, f.last.answer, f.last.err
	if e.HTTPStatus == http.StatusNotFound && !f.client.direct() {
		e.Unsupported = f.client.unsupported(ctx)
	}
	if f.client.isRelayed() {
		e.Relay = f.client.Proxy()
	}
	return e
}

// sleep waits for d. It returns an error if ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return contextErr(ctx)
	}
}
