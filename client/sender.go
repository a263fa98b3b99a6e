package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scopegate/scopegate/client/internal/pause"
)

// sender is the goroutine of an [Uploader]. It sends one stream at a time, until the
// stream is accepted. Only it uses the fields that are not the Uploader's.
type sender struct {
	*Uploader

	// thresholdBytes is lowered when a batch was too large.
	thresholdBytes int
	// batchNum is the number of the next batch.
	batchNum int32
	// carrier is the root of the newest accepted scope. It becomes the final batch if the
	// server refuses the scope held back for that: the backend merges it, by scope_type and
	// name, with the one that it already has.
	carrier wireRequest
	// refusal is the last refusal of a scope.
	refusal error
	// failure is the last failure since a stream was accepted.
	failure error
}

// flight is the scopes of one stream: the oldest held ones, or the carrier, which is not
// held.
type flight struct {
	requests []wireRequest
	final    bool
	isHeld   bool
}

// run ends when the upload does. parent is the context of the Uploader's creator; ctx is
// derived from it.
func (s *sender) run(parent, ctx context.Context) {
	defer close(s.done)
	defer s.cancel(nil)
	err := s.send(ctx)
	switch {
	case err == nil:
	case ctx.Err() == nil:
		s.settings.logger.ErrorContext(ctx, "upload failed", "upload_id", s.ID(), "error", err)
	default:
		if err = context.Cause(ctx); parent.Err() != nil {
			err = contextError(parent, "upload")
		}
		if s.failure != nil {
			err = fmt.Errorf("%w; last failure: %w", err, s.failure)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	count := len(s.held.messages)
	s.stats.Dropped += int64(count)
	s.heldBytes -= s.held.remove(0, count)
	s.announce()
}

// send sends streams until the upload has ended. It returns nil on success.
func (s *sender) send(ctx context.Context) error {
	for {
		f, wait, isEmpty := s.next()
		switch {
		case isEmpty:
			return s.endEmpty(ctx)
		case f == nil:
			if err := s.idle(ctx, wait); err != nil {
				return err
			}
			continue
		}
		if err := s.deliver(ctx, f); err != nil {
			return err
		}
		switch {
		case !f.final:
		case len(f.requests) == 0:
			return s.endEmpty(ctx)
		default:
			return nil
		}
	}
}

// next cuts the next stream. f is nil if there is none yet; isEmpty means that there will
// be none.
func (s *sender) next() (f *flight, wait time.Duration, isEmpty bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	isClosing := isClosed(s.closing)
	count, wait := s.held.cut(cutting{
		thresholdBytes: s.thresholdBytes,
		thresholdAge:   s.settings.uploader.thresholdAge,
		urgent:         isClosing || s.waiting || s.held.oldest() < s.flushTo,
		holdBack:       !isClosing && !s.settings.uploader.openEnd,
	}, time.Now())
	if count == 0 {
		return nil, wait, isClosing
	}
	s.waiting = false
	f = &flight{
		final:  isClosing && count == len(s.held.messages) && !s.settings.uploader.openEnd,
		isHeld: true,
	}
	for _, m := range s.held.messages[:count] {
		f.requests = append(f.requests, m.wire)
	}
	return f, 0, false
}

// idle waits for something to do.
func (s *sender) idle(ctx context.Context, wait time.Duration) error {
	var aged <-chan time.Time
	if wait > 0 {
		aged = time.After(wait)
	}
	select {
	case <-s.wake:
	case <-aged:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// endEmpty ends an upload without held scopes.
func (s *sender) endEmpty(ctx context.Context) error {
	switch {
	case s.carrier == nil:
		return s.refusal // nil if no scope was added
	case s.settings.uploader.openEnd:
		return nil
	default:
		return s.deliver(ctx, &flight{requests: []wireRequest{s.carrier}, final: true})
	}
}

// deliver sends a flight until it is accepted, or all its scopes are refused. If it gets
// halved, it is no longer final.
func (s *sender) deliver(ctx context.Context, f *flight) error {
	failureCount, doubtCount := 0, 0
	isClosing := isClosed(s.closing)
	for len(f.requests) > 0 {
		result, err := s.attempt(ctx, f)
		if err == nil {
			return s.accept(f, result)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.countFailure(err)
		failure, ok := errors.AsType[*Error](err)
		if !ok {
			return err
		}
		if s.isAccepted(f, failure) {
			return s.accept(f, Result{})
		}
		if f.isHeld && s.shrink(ctx, f, failure) {
			failureCount = 0
			continue
		}
		switch s.outlookOf(failure) {
		case permanent:
			return err
		case doubtful:
			if doubtCount++; doubtCount >= s.settings.maxAttempts {
				return fmt.Errorf("%d attempts made no progress: %w", doubtCount, err)
			}
		case transient:
		}
		failureCount++
		cutShort, err := s.pause(ctx, failure, failureCount, isClosing)
		if err != nil {
			return err
		}
		if cutShort {
			isClosing, failureCount = true, 0
		}
	}
	return nil
}

func (s *sender) attempt(ctx context.Context, f *flight) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, s.settings.uploader.attemptTimeout)
	defer cancel()
	stream, err := s.client.openStream(ctx, s.settings, s.metadata,
		part{firstBatchNum: s.batchNum, moreFollows: !f.final, singleBatch: true})
	if err != nil {
		return Result{}, err
	}
	defer stream.Cancel()
	for i, request := range f.requests {
		stream.scopeCount = i
		if err := stream.sendRequest(request); err != nil {
			return Result{}, err
		}
	}
	return stream.CloseAndReceive()
}

// outlookOf returns the outlook of a failure. The timeout of an attempt is transient, like
// a lost connection.
func (s *sender) outlookOf(failure *Error) outlook {
	if errors.Is(failure, context.DeadlineExceeded) {
		return transient
	}
	return failure.outlook()
}

// pause waits for the next attempt. If the Uploader is closed during the wait, it waits
// no longer than the server asked for.
func (s *sender) pause(
	ctx context.Context, failure *Error, failureCount int, wasClosing bool,
) (cutShort bool, err error) {
	asked, _ := failure.RetryDelay()
	wait := asked + s.settings.backoff.draw(failureCount-1)
	s.settings.reportRetry(ctx, RetryEvent{
		Err:                failure,
		FailureCount:       failureCount,
		Wait:               wait,
		UploadID:           s.ID(),
		AcceptedScopeCount: s.Stats().Accepted,
		FirstBatchNum:      s.batchNum,
	})
	began := time.Now()
	var closing <-chan struct{}
	if !wasClosing {
		closing = s.closing
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false, nil
	case <-closing:
		return true, pause.For(ctx, asked-time.Since(began))
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// isAccepted reports whether a stream failed after its batch was accepted.
func (s *sender) isAccepted(f *flight, failure *Error) bool {
	progress := failure.Progress()
	return progress.GetUploadId() == s.ID() &&
		progress.GetAcceptedScopeCount() == int64(len(f.requests)) &&
		progress.GetNextBatchNum() == s.batchNum+1
}

// accept records that a flight is accepted. The result is empty if the server sent none.
func (s *sender) accept(f *flight, result Result) error {
	count := len(f.requests)
	carrier, err := rootRequest(f.requests[count-1])
	if err != nil {
		return err
	}
	s.carrier = carrier
	s.failure = nil
	s.batchNum++
	accepted := s.record(f, result)
	s.settings.onProgress(Progress{s.ID(), accepted, accepted})
	return nil
}

// record counts an accepted flight, and returns how many scopes are accepted so far.
func (s *sender) record(f *flight, result Result) (accepted int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.BatchCount++
	s.result.BatchCount++
	s.result.RawBytes += result.RawBytes
	s.result.CompressedBytes += result.CompressedBytes
	if f.isHeld {
		count := len(f.requests)
		s.heldBytes -= s.held.remove(0, count)
		s.stats.Accepted += int64(count)
		s.result.ScopeCount += int64(count)
	}
	s.announce()
	return s.stats.Accepted
}

func (s *sender) countFailure(err error) {
	s.failure = err
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.FailureCount++
}
