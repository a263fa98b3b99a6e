package intake

import (
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
//   - when ctx or Config.BatchDeadline ends, and already when the next attempt
//     could not start before that: with what the last attempt has met;
//   - with ctx's error when the caller has cancelled it.
//
// The batch is not read any more once Forward has returned.
func (c *Client) Forward(ctx context.Context, b *batch.Batch) error {
	if c.config.BatchDeadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.config.BatchDeadline, errBatchDeadline)
		defer cancel()
	}
	f := &forwarding{client: c, form: newForm(b), batchNum: b.Num}
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

	attempts   int
	inDoubt    bool // any attempt
	retryAfter time.Duration
	accepted   bool
	// last is what the last attempt has met, nil before the first one; final
	// tells that no further one can change it.
	last  *Error
	final bool
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

// next makes one attempt, as soon as the gate lets it through.
func (f *forwarding) next(ctx context.Context) error {
	c := f.client
	p, err := c.gate.enter(ctx)
	if err != nil {
		return err
	}
	f.attempts++
	begin := time.Now()
	end := c.post(ctx, f.form)
	now := time.Now()

	asked, _ := parseRetryAfter(end.retryAfter, now, c.config.Retry.MaxRetryAfter)
	if end.status != 0 {
		f.retryAfter = asked
	}
	f.inDoubt = f.inDoubt || end.inDoubt
	leaveAlone := time.Duration(0)
	if end.throttles {
		leaveAlone = asked
	}
	open := c.gate.report(p, end.health, leaveAlone)
	if c.onAttempt != nil {
		c.onAttempt(Attempt{
			BatchNum: f.batchNum, Number: f.attempts, HTTPStatus: end.status, Class: end.class,
			InDoubt: end.inDoubt, RetryAfter: asked, Duration: now.Sub(begin),
		})
	}
	if end.class == ClassAccepted {
		f.accepted = true
		return nil
	}
	f.last = &Error{HTTPStatus: end.status, Answer: end.answer, Err: end.err}
	if !end.retry {
		f.final = true
		return f.last
	}
	step := f.attempts
	if !open {
		step = 1 // the gate makes it wait
	}
	pause := c.config.Retry.pause(step, asked, rand.Float64()) //nolint:gosec // spreads load, guards nothing
	if deadline, limited := ctx.Deadline(); limited && !now.Add(pause).Before(deadline) {
		f.final = true
		return f.last
	}
	return &again{failed: f.last, after: pause}
}

// failure sums up why the batch was not accepted.
func (f *forwarding) failure(ctx context.Context) *Error {
	failure := f.last
	switch {
	case f.final:
	case errors.Is(ctx.Err(), context.Canceled):
		failure = &Error{Err: ended(ctx)}
	case failure != nil:
	case ctx.Err() != nil:
		failure = &Error{Err: ended(ctx)}
	default:
		failure = &Error{Err: errHeld}
	}
	failure.BatchNum = f.batchNum
	failure.Attempts = f.attempts
	failure.RetryAfter = f.retryAfter
	failure.inDoubt = f.inDoubt
	return failure
}
