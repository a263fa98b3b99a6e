package intake

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/scopegate/scopegate/server/internal/batch"
)

// Forward posts the batch, the same bytes as often as it takes, until the intake
// has accepted it, that is, answered with a status of 2xx. Then it returns nil,
// otherwise an [*Error]:
//
//   - at once when the intake answers that it will not take the batch, ever or at
//     this size ([Error.TooLarge]);
//   - when the next attempt would begin after Config.BatchDeadline, or would not
//     be over before ctx's deadline, taking twice as long as the last one: with
//     what the last attempt has met. The batch's deadline moves on while the batch
//     waits for its turn;
//   - with ctx's error when the caller has cancelled it.
//
// The batch is not read any more once Forward has returned.
func (c *Client) Forward(ctx context.Context, b *batch.Batch) error {
	return c.ForwardFor(ctx, Sender{}, b)
}

// Sender is for whom a batch is forwarded.
type Sender struct {
	// Caller is who takes turns with others, see Config.MaxConnections. Empty: the
	// service of the batch.
	Caller string
	// AdditionalTags is sent in place of Config.AdditionalTags. Empty: those. It
	// must have no control character.
	AdditionalTags string
}

// ForwardFor is [Client.Forward] for a sender.
func (c *Client) ForwardFor(ctx context.Context, from Sender, b *batch.Batch) error {
	f := &forwarding{
		client: c, form: newForm(b), batchNum: b.Num,
		caller: cmp.Or(from.Caller, b.Header.Service),
		tags:   cmp.Or(from.AdditionalTags, c.config.AdditionalTags),
	}
	if c.config.BatchDeadline > 0 {
		f.deadline = time.Now().Add(c.config.BatchDeadline)
	}
	// What Run returns says too little: it prefers the context's error even where
	// the last attempt was accepted.
	_ = failsafe.With(c.retries).WithContext(ctx).Run(func() error { return f.next(ctx) })
	if f.accepted {
		return nil
	}
	return f.failure(ctx)
}

// forwarding is one batch on its way to being accepted.
type forwarding struct {
	client   *Client
	form     *form
	batchNum int32
	caller   string
	tags     string
	// deadline is the batch's own, after which no attempt begins; zero if it has
	// none. It moves on while the batch waits for its turn.
	deadline time.Time

	attempts   int
	inDoubt    bool // any attempt
	retryAfter time.Duration
	accepted   bool
	// last is what the last attempt has met, nil before the first one; final
	// tells that no further one can change it.
	last  *Error
	final bool
	// stopped is why there was no further attempt, where that is not in last.
	stopped error
}

// again asks for another attempt.
type again struct {
	failed *Error
	after  time.Duration
}

func (a *again) Error() string { return a.failed.Error() }

// newRetryPolicy returns the policy that repeats whatever fails with again.
func newRetryPolicy() retrypolicy.RetryPolicy[any] {
	return retrypolicy.NewBuilder[any]().
		WithMaxRetries(-1).
		ReturnLastFailure().
		HandleIf(func(_ any, err error) bool {
			_, ok := errors.AsType[*again](err)
			return ok
		}).
		WithDelayFunc(func(exec failsafe.ExecutionAttempt[any]) time.Duration {
			if failed, ok := errors.AsType[*again](exec.LastError()); ok {
				return failed.after
			}
			return 0
		}).
		Build()
}

// next makes one attempt, as soon as it may.
func (f *forwarding) next(ctx context.Context) error {
	p, err := f.admit(ctx)
	if err != nil {
		f.stopped = err
		return err
	}
	end, open := f.attempt(ctx, p)
	if end.class == ClassAccepted {
		f.accepted = true
		return nil
	}
	f.last = &Error{HTTPStatus: end.status, Answer: end.answer, Err: end.err}
	if f.client.isRelayed() {
		f.last.Relay = f.client.Proxy()
	}
	if !end.retry {
		f.final = true
		return f.last
	}
	step := f.attempts
	if !open {
		step = 1 // the gate makes it wait
	}
	pause := f.client.config.Retry.pause(step, end.asked, rand.Float64()) //nolint:gosec // spreads load, guards nothing
	if f.tooLate(ctx, pause, 2*end.took) {
		f.final = true
		return f.last
	}
	return &again{failed: f.last, after: pause}
}

// tooLate tells that there is no time for an attempt that begins after the pause.
// The batch's own deadline lets an attempt come to its end; the caller's cuts it
// off, which leaves the batch in doubt, so all of the attempt must fit.
func (f *forwarding) tooLate(ctx context.Context, pause, attempt time.Duration) bool {
	if !f.deadline.IsZero() && time.Until(f.deadline) <= pause {
		return true
	}
	deadline, limited := ctx.Deadline()
	return limited && time.Until(deadline) <= pause+attempt
}

// attempt posts the batch in its turn, and returns whether the gate lets everybody
// through. It gives the turn back when the gate knows how it went, so that who is
// next knows too.
func (f *forwarding) attempt(ctx context.Context, p pass) (end attemptEnd, open bool) {
	c := f.client
	f.attempts++
	begin := time.Now()
	func() {
		defer c.turns.give()
		end = c.post(ctx, f.form, f.tags)
		open = c.gate.report(p, &end)
	}()
	c.gate.tell()
	end.took = time.Since(begin)
	f.inDoubt = f.inDoubt || end.inDoubt
	if end.status != 0 {
		f.retryAfter = end.asked
	}
	if c.onAttempt != nil {
		c.onAttempt(Attempt{
			BatchNum: f.batchNum, Number: f.attempts, HTTPStatus: end.status, Class: end.class,
			InDoubt: end.inDoubt, RetryAfter: end.asked, Reason: end.reason(), Duration: end.took,
		})
	}
	return end, open
}

// failure sums up why the batch was not accepted.
func (f *forwarding) failure(ctx context.Context) *Error {
	failure := f.last
	switch {
	case f.final:
	case errors.Is(ctx.Err(), context.Canceled):
		failure = &Error{Err: ended(ctx)}
	case failure != nil:
	case f.stopped != nil:
		failure = &Error{Err: f.stopped}
	default: // ended before it began
		failure = &Error{Err: ended(ctx)}
	}
	failure.BatchNum = f.batchNum
	failure.Attempts = f.attempts
	failure.RetryAfter = f.retryAfter
	failure.inDoubt = f.inDoubt
	return failure
}
