package client

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// delivery brings what a sequence yields to the server, in as many streams as it
// takes. It counts messages: a scope that is split counts once for each part.
type delivery struct {
	client *Client
	scopes iter.Seq2[*symdbv1.Scope, error]
	// metadata is that of the stream to come.
	metadata *symdbv1.UploadMetadata
	// begin is the number of the delivery's first batch.
	begin int32
	// acceptedCount is how many messages are accepted under metadata's upload_id.
	acceptedCount int64
	failureCount  int
	// failure is the one that the stream in progress makes good for.
	failure    error
	repetition repetition

	// Of the stream in progress, or of the last one:

	upload    *Upload
	sentCount int64
	closed    bool
}

func newDelivery(c *Client, metadata *symdbv1.UploadMetadata, scopes iter.Seq2[*symdbv1.Scope, error]) *delivery {
	metadata = proto.CloneOf(metadata)
	if metadata.GetUploadId() == "" {
		metadata.UploadId = uuid.NewString()
	}
	return &delivery{
		client:     c,
		scopes:     scopes,
		metadata:   metadata,
		begin:      max(1, metadata.GetFirstBatchNum()),
		repetition: newRepetition(),
	}
}

func (d *delivery) run(ctx context.Context) (*symdbv1.UploadScopesResponse, error) {
	for {
		summary, err := d.stream(ctx)
		if err == nil {
			return d.total(summary), nil
		}
		failed, ok := err.(*streamError) //nolint:errorlint // one in the sequence's own error is another delivery's
		if !ok {
			return nil, err
		}
		if err := d.retry(ctx, failed.err); err != nil {
			return nil, err
		}
	}
}

// streamError marks an error as the stream's, rather than the sequence's.
type streamError struct{ err error }

func (f *streamError) Error() string { return f.err.Error() }
func (f *streamError) Unwrap() error { return f.err }

// stream sends, in a stream of its own, the messages behind the accepted ones.
// A stream that goes on is opened when its first message is found, which may take
// as long as it took to send those before.
func (d *delivery) stream(ctx context.Context) (*symdbv1.UploadScopesResponse, error) {
	d.upload, d.sentCount, d.closed = nil, 0, false
	defer func() {
		if d.upload != nil {
			d.upload.Cancel()
		}
	}()
	if d.acceptedCount == 0 {
		if err := d.open(ctx); err != nil {
			return nil, err
		}
	}
	pass, scopeCount := d.repetition.pass(), 0
	for scope, err := range d.scopes {
		if err != nil {
			return nil, fmt.Errorf("next scope: %w", err)
		}
		for message, err := range messages(scope, d.client.settings.maxMessageBytes) {
			if err != nil {
				return nil, fmt.Errorf("send scope %d: %w", scopeCount, err)
			}
			if !pass.add(message) {
				return nil, d.changed()
			}
			if pass.count <= d.acceptedCount {
				continue
			}
			if err := d.send(ctx, scopeCount, message); err != nil {
				return nil, err
			}
		}
		scopeCount++
	}
	if !pass.end() || d.upload == nil {
		return nil, d.changed()
	}
	d.closed = true
	summary, err := d.upload.CloseAndReceive()
	if err != nil {
		return nil, &streamError{err}
	}
	return summary, nil
}

func (d *delivery) open(ctx context.Context) error {
	upload, err := d.client.Upload(ctx, d.metadata)
	if err != nil {
		return &streamError{err}
	}
	d.upload = upload
	return nil
}

func (d *delivery) send(ctx context.Context, scopeCount int, message *symdbv1.Scope) error {
	if d.upload == nil {
		if err := d.open(ctx); err != nil {
			return err
		}
	}
	d.upload.scopeCount = scopeCount
	if err := d.upload.sendMessage(message); err != nil {
		return &streamError{err}
	}
	d.sentCount++
	return nil
}

// changed tells, beside what is wrong with the sequence, why it was needed again.
func (d *delivery) changed() error {
	return fmt.Errorf("%w, as needed after: %w", ErrSequenceChanged, d.failure)
}

// retry prepares the stream that follows a failed one, and waits for its time. It
// returns an error where none shall follow.
func (d *delivery) retry(ctx context.Context, err error) error {
	failure, ok := errors.AsType[*Error](err)
	if !ok || d.client.settings.withoutResume || failure.outlook() == permanent {
		return d.describe(err)
	}
	d.failure = failure
	event := RetryEvent{Err: failure}
	progress := failure.Progress()
	switch {
	case d.metadata.GetSingleBatch():
		d.failureCount++
	case d.isKnown(progress):
		d.acceptedCount += progress.GetAcceptedScopeCount()
		d.metadata.FirstBatchNum = progress.GetNextBatchNum()
		d.failureCount++
		if progress.GetAcceptedScopeCount() > 0 {
			d.failureCount = 0
		}
	case d.sentCount == 0, isUnread(progress): // no connection, for example: the stream was never begun
		d.failureCount++
	case d.begin > 1:
		return d.describe(err)
	default:
		event.StartsOver = true
		d.metadata.UploadId, d.metadata.FirstBatchNum = uuid.NewString(), 0
		d.acceptedCount = 0
		d.failureCount++
	}
	if d.failureCount >= d.client.settings.maxAttempts {
		return fmt.Errorf("%d attempts brought nothing further: %w", d.failureCount, err)
	}

	asked, _ := failure.RetryDelay()
	event.FailureCount = d.failureCount
	event.Wait = asked + d.client.settings.backoff.draw(max(0, d.failureCount-1))
	event.UploadID = d.metadata.GetUploadId()
	event.AcceptedScopeCount = d.acceptedCount
	event.FirstBatchNum = max(1, d.metadata.GetFirstBatchNum())
	if endsBefore(ctx, event.Wait) {
		return d.describe(err)
	}
	d.client.settings.onRetry(event)
	if pause(ctx, event.Wait) != nil {
		return receivedError(ctx, "wait for the next attempt", ctx.Err())
	}
	return nil
}

// isKnown tells whether a failure says how far its stream came. What contradicts
// what was sent is taken for unknown: that costs a new beginning, and no scope.
func (d *delivery) isKnown(progress *symdbv1.UploadProgress) bool {
	accepted, first := progress.GetAcceptedScopeCount(), max(1, d.metadata.GetFirstBatchNum())
	switch {
	case progress.GetUploadId() != d.metadata.GetUploadId(),
		accepted < 0, accepted > d.sentCount,
		d.closed && accepted == d.sentCount && accepted > 0:
		return false
	case accepted == 0:
		return progress.GetNextBatchNum() == first
	default:
		return progress.GetNextBatchNum() > first
	}
}

// isUnread reports whether the server has given up a stream before it read of what
// upload it is.
func isUnread(progress *symdbv1.UploadProgress) bool {
	return progress != nil && progress.GetUploadId() == "" && progress.GetAcceptedScopeCount() == 0
}

// describe says where in the upload the failed stream began, because the server
// counts scopes from there.
func (d *delivery) describe(err error) error {
	if d.acceptedCount == 0 {
		return err
	}
	return fmt.Errorf("after %d scopes accepted of earlier streams: %w", d.acceptedCount, err)
}

// total makes the summary of the last stream that of the upload.
func (d *delivery) total(last *symdbv1.UploadScopesResponse) *symdbv1.UploadScopesResponse {
	last.ScopeCount += d.acceptedCount
	last.BatchCount += max(1, d.metadata.GetFirstBatchNum()) - d.begin
	return last
}
