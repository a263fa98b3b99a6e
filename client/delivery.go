package client

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/google/uuid"

	"github.com/scopegate/scopegate/client/internal/pause"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// delivery uploads a sequence in as many streams as needed. It counts messages: each part
// of a split scope counts.
type delivery struct {
	client   *Client
	settings settings
	scopes   iter.Seq2[*symdbv1.Scope, error]
	// metadata is for the next stream, firstBatchNum the number of its first batch.
	metadata      *symdbv1.UploadMetadata
	firstBatchNum int32
	// acceptedCount is how many messages are accepted under metadata's upload_id.
	acceptedCount int64
	failureCount  int
	// failure is why the current stream is needed, nil for the first one.
	failure    error
	repetition repetition

	// State of the current or last stream:

	current   *Stream
	sentCount int64
	closed    bool
}

func (d *delivery) run(ctx context.Context) (Result, error) {
	for {
		result, err := d.stream(ctx)
		if err == nil {
			// The result of the last stream becomes that of the upload.
			result.ScopeCount += d.acceptedCount
			result.BatchCount += d.firstBatchNum - 1
			d.settings.onProgress(Progress{result.UploadID, result.ScopeCount, result.ScopeCount})
			return result, nil
		}
		failed, ok := err.(*streamError) //nolint:errorlint // a wrapped one is from another delivery, in the sequence
		if !ok {
			return Result{}, err
		}
		if err := d.retry(ctx, failed.err); err != nil {
			return Result{}, err
		}
	}
}

// streamError marks an error of the stream, as opposed to one of the sequence.
type streamError struct{ err error }

func (f *streamError) Error() string { return f.err.Error() }
func (f *streamError) Unwrap() error { return f.err }

// stream sends the messages after the accepted ones in one stream. To resume, it opens
// the stream only at its first message, because finding that may take long.
func (d *delivery) stream(ctx context.Context) (Result, error) {
	d.current, d.sentCount, d.closed = nil, 0, false
	defer func() {
		if d.current != nil {
			d.current.Cancel()
		}
	}()
	if d.acceptedCount == 0 {
		if err := d.open(ctx); err != nil {
			return Result{}, err
		}
	}
	pass, scopeCount := d.repetition.pass(), 0
	for scope, err := range d.scopes {
		if err != nil {
			return Result{}, fmt.Errorf("next scope: %w", err)
		}
		for message, err := range messages(scope, d.settings.maxMessageBytes) {
			if err != nil {
				return Result{}, fmt.Errorf("send scope %d: %w", scopeCount, err)
			}
			if !pass.add(message) {
				return Result{}, d.changed()
			}
			if pass.count <= d.acceptedCount {
				continue
			}
			if err := d.send(ctx, scopeCount, message); err != nil {
				return Result{}, err
			}
		}
		scopeCount++
		if d.current != nil {
			d.settings.onProgress(Progress{d.metadata.GetUploadId(), d.acceptedCount + d.sentCount, d.acceptedCount})
		}
	}
	if !pass.end() || d.current == nil {
		return Result{}, d.changed()
	}
	d.closed = true
	result, err := d.current.CloseAndReceive()
	if err != nil {
		return Result{}, &streamError{err}
	}
	return result, nil
}

func (d *delivery) open(ctx context.Context) error {
	stream, err := d.client.openStream(ctx, d.settings, d.metadata, part{firstBatchNum: d.firstBatchNum})
	if err != nil {
		return &streamError{err}
	}
	d.current = stream
	return nil
}

func (d *delivery) send(ctx context.Context, scopeCount int, message *symdbv1.Scope) error {
	if d.current == nil {
		if err := d.open(ctx); err != nil {
			return err
		}
	}
	d.current.scopeCount = scopeCount
	if err := d.current.sendMessage(message); err != nil {
		return &streamError{err}
	}
	d.sentCount++
	return nil
}

// changed returns the error for a sequence that changed.
func (d *delivery) changed() error {
	return fmt.Errorf("%w when resuming after: %w", ErrSequenceChanged, d.failure)
}

// retry prepares the next stream after a failure, and waits until it may begin. It
// returns an error if the delivery has failed.
func (d *delivery) retry(ctx context.Context, err error) error {
	failure, ok := errors.AsType[*Error](err)
	if !ok || d.settings.withoutResume || failure.outlook() == permanent {
		return d.describe(err)
	}
	d.failure = failure
	event := RetryEvent{Err: failure}
	progress := failure.Progress()
	switch {
	case d.isKnown(progress):
		d.acceptedCount += progress.GetAcceptedScopeCount()
		d.firstBatchNum = progress.GetNextBatchNum()
		d.failureCount++
		if progress.GetAcceptedScopeCount() > 0 {
			d.failureCount = 0
		}
	case d.sentCount == 0, isUnread(progress): // nothing was accepted
		d.failureCount++
	default:
		event.StartsOver = true
		d.metadata.UploadId, d.firstBatchNum = uuid.NewString(), 1
		d.acceptedCount = 0
		d.failureCount++
	}
	if d.failureCount >= d.settings.maxAttempts {
		return fmt.Errorf("%d attempts made no progress: %w", d.failureCount, err)
	}

	asked, _ := failure.RetryDelay()
	event.FailureCount = d.failureCount
	event.Wait = asked + d.settings.backoff.draw(max(0, d.failureCount-1))
	event.UploadID = d.metadata.GetUploadId()
	event.AcceptedScopeCount = d.acceptedCount
	event.FirstBatchNum = d.firstBatchNum
	if endsBefore(ctx, event.Wait) {
		return d.describe(err)
	}
	d.settings.reportRetry(ctx, event)
	if pause.For(ctx, event.Wait) != nil {
		return receivedError(ctx, "wait for the next attempt", ctx.Err())
	}
	return nil
}

// isKnown reports whether progress can be trusted. If it contradicts what was sent, the
// upload starts over, which loses no scope.
func (d *delivery) isKnown(progress *symdbv1.UploadProgress) bool {
	accepted := progress.GetAcceptedScopeCount()
	switch {
	case progress.GetUploadId() != d.metadata.GetUploadId(),
		accepted < 0, accepted > d.sentCount,
		d.closed && accepted == d.sentCount && accepted > 0:
		return false
	case accepted == 0:
		return progress.GetNextBatchNum() == d.firstBatchNum
	default:
		return progress.GetNextBatchNum() > d.firstBatchNum
	}
}

// isUnread reports whether the server aborted a stream before it read the upload's id.
func isUnread(progress *symdbv1.UploadProgress) bool {
	return progress != nil && progress.GetUploadId() == "" && progress.GetAcceptedScopeCount() == 0
}

// describe adds to an error where in the upload the failed stream began, because the
// server counts scopes from there.
func (d *delivery) describe(err error) error {
	if d.acceptedCount == 0 {
		return err
	}
	return fmt.Errorf("after %d scopes accepted in earlier streams: %w", d.acceptedCount, err)
}
