package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// ErrAbandoned is returned by an [Uploader] after [Uploader.Abandon].
var ErrAbandoned = errors.New("uploader was abandoned")

// Uploader is the push form of an upload, for scopes that can't be read again. It takes
// scopes one by one and sends them in consecutive streams, each a single batch. A batch
// that was not accepted is sent again under the same upload_id and batch number, so that
// the backend can recognize one whose answer was lost. An Uploader is safe for concurrent
// use.
type Uploader struct {
	client   *Client
	settings settings
	metadata *symdbv1.UploadMetadata
	wake     chan struct{}
	closing  chan struct{} // closed by Close
	done     chan struct{} // closed when the goroutine has ended
	cancel   context.CancelCauseFunc
	sender   sender

	mu        sync.Mutex
	changed   chan struct{} // closed, and replaced, when waiters should check again
	held      held
	heldBytes int   // of held, and of scopes being added
	waiting   bool  // an Add found no room
	flushTo   int64 // messages with lower ordinals are sent without delay
	stats     UploaderStats
	result    Result
	err       error
}

// NewUploader begins an upload. It sends nothing until there is a scope. Its goroutine runs
// until [Uploader.Close] or [Uploader.Abandon] is called, or ctx is done. If ctx is done
// before Close has returned, the held scopes are dropped, so do not pass a context that is
// canceled to stop the program.
//
// What it does after a failure depends on the failure:
//
//   - UNAVAILABLE, an overloaded server, or a timeout of the attempt: it retries without
//     limit, see [WithBackoff] and [WithAttemptTimeout].
//   - A failure that may be permanent, because the server gave no reason: it retries up to
//     [WithMaxAttempts].
//   - A batch is refused as too large: it sends half of it.
//   - A scope is refused: it leaves the scope out, see [RefusedScope].
//   - Any other failure is permanent: it ends the upload and drops the held scopes. Later
//     calls return the failure.
func (c *Client) NewUploader(ctx context.Context, metadata Metadata, options ...Option) (*Uploader, error) {
	s, err := c.settings.with(inUploader, options)
	if err != nil {
		return nil, err
	}
	if err := s.resolveMaxHeldBytes(); err != nil {
		return nil, err
	}
	md, err := s.describe(metadata)
	if err != nil {
		return nil, err
	}
	sending, cancel := context.WithCancelCause(ctx)
	u := &Uploader{
		client:   c,
		settings: s,
		metadata: md,
		wake:     make(chan struct{}, 1),
		closing:  make(chan struct{}),
		done:     make(chan struct{}),
		changed:  make(chan struct{}),
		cancel:   cancel,
		result:   Result{UploadID: md.GetUploadId()},
	}
	u.sender = sender{Uploader: u, thresholdBytes: s.uploader.thresholdBytes, batchNum: 1}
	go u.sender.run(ctx, sending)
	return u, nil
}

// ID returns the upload_id.
func (u *Uploader) ID() string { return u.metadata.GetUploadId() }

// Stats returns the counts of scopes so far.
func (u *Uploader) Stats() UploaderStats {
	u.mu.Lock()
	defer u.mu.Unlock()
	stats := u.stats
	stats.Held, stats.HeldBytes = int64(len(u.held.messages)), u.heldBytes
	return stats
}

// Add adds a root scope, split if it is larger than [WithMaxMessageBytes] allows. It
// marshals the scope, so the caller may change it afterward. If Add returns nil, the scope
// is held, or, with [WithDropNewest], dropped; only Close reports its delivery. If there is
// no room, Add waits until ctx is done.
//
// Add returns the context's error, a [*ScopeTooLargeError], an [*Error] for a scope that
// can't be marshaled, the failure that ended the upload, [ErrEnded] after Close, or
// [ErrAbandoned] after Abandon. The scope is then not counted, except for the parts of a
// split scope that were already added: they stay held.
func (u *Uploader) Add(ctx context.Context, scope *symdbv1.Scope) error {
	if scope == nil {
		return inputError("add scope", "the scope is nil")
	}
	var parts []*symdbv1.Scope
	needBytes := 0
	for part, err := range messages(scope, u.settings.maxMessageBytes) {
		if err != nil {
			return fmt.Errorf("add scope: %w", err)
		}
		parts = append(parts, part)
		needBytes += proto.Size(scopeRequest(part)) + upkeepBytes
	}
	if u.settings.uploader.dropNewest {
		reserved, err := u.reserve(needBytes)
		if err != nil {
			return err
		}
		if !reserved {
			u.drop(ctx, len(parts))
			return nil
		}
		return u.push(parts, needBytes)
	}
	for _, part := range parts {
		partBytes := proto.Size(scopeRequest(part)) + upkeepBytes
		if err := u.await(ctx, partBytes); err != nil {
			return err
		}
		if err := u.push([]*symdbv1.Scope{part}, partBytes); err != nil {
			return err
		}
	}
	return nil
}

// await reserves room, and waits until there is some.
func (u *Uploader) await(ctx context.Context, needBytes int) error {
	for {
		u.mu.Lock()
		changed := u.changed
		u.mu.Unlock()
		if reserved, err := u.reserve(needBytes); reserved || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return contextError(ctx, "add scope: wait for room")
		}
	}
}

// reserve reserves room for messages to be pushed, if there is enough.
func (u *Uploader) reserve(needBytes int) (bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.ended(); err != nil {
		return false, err
	}
	if u.heldBytes+needBytes > u.settings.uploader.maxHeldBytes {
		u.waiting = true
		u.wakeSender()
		return false, nil
	}
	u.heldBytes += needBytes
	return true, nil
}

// push adds messages, all or none, after room was reserved for them.
func (u *Uploader) push(parts []*symdbv1.Scope, reservedBytes int) error {
	wires := make([]wireRequest, 0, len(parts))
	var err error
	for _, part := range parts {
		var wire wireRequest
		if wire, err = marshalScope(part); err != nil {
			break
		}
		wires = append(wires, wire)
	}

	u.mu.Lock()
	defer u.mu.Unlock()
	u.heldBytes -= reservedBytes
	if err == nil {
		err = u.ended()
	}
	if err != nil {
		u.announce()
		return err
	}
	now := time.Now()
	for _, wire := range wires {
		u.held.push(wire, now)
		u.heldBytes += len(wire) + upkeepBytes
		u.stats.Added++
	}
	u.wakeSender()
	return nil
}

func (u *Uploader) drop(ctx context.Context, count int) {
	u.mu.Lock()
	isFirst := u.stats.Dropped == 0
	u.stats.Added += int64(count)
	u.stats.Dropped += int64(count)
	u.mu.Unlock()
	if isFirst {
		u.settings.logger.WarnContext(ctx, "no room for new scopes; dropping them", "upload_id", u.ID(),
			"max_held_bytes", u.settings.uploader.maxHeldBytes)
	}
}

// Flush sends the held scopes without waiting for more, and returns when each of them is
// accepted, refused or dropped. It leaves the newest one, except with [WithOpenEnd]. It
// returns the context's error, or the failure that ended the upload.
func (u *Uploader) Flush(ctx context.Context) error {
	u.mu.Lock()
	flushTo := u.held.pushedCount
	if !u.settings.uploader.openEnd {
		flushTo = max(0, flushTo-1)
	}
	u.flushTo = max(u.flushTo, flushTo)
	u.wakeSender()
	u.mu.Unlock()
	for {
		u.mu.Lock()
		changed, err, oldest := u.changed, u.err, u.held.oldest()
		u.mu.Unlock()
		switch {
		case err != nil:
			return err
		case oldest >= flushTo:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return contextError(ctx, "flush")
		}
	}
}

// Close sends all held scopes, and returns when the intake has accepted them. No more
// scopes can be added. The last batch is final, except with [WithOpenEnd]. Close shortens
// the wait for another attempt. The result counts the whole upload. If no scope was added,
// there is no upload, and the result's ScopeCount is 0.
//
// If ctx is done first, the held scopes are dropped, see [UploaderStats], the upload has no
// final batch, and Close returns an error that wraps the context's and the last failure. If
// all scopes were refused, Close returns the last refusal. Further calls return the same.
func (u *Uploader) Close(ctx context.Context) (Result, error) {
	u.mu.Lock()
	if !isClosed(u.closing) {
		close(u.closing)
		u.announce()
	}
	u.mu.Unlock()
	select {
	case <-u.done:
	case <-ctx.Done():
		u.cancel(contextError(ctx, "close uploader"))
		<-u.done
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return Result{}, u.err
	}
	return u.result, nil
}

// contextError returns the error and the cause of ctx.
func contextError(ctx context.Context, operation string) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%s: %w: %w", operation, ctx.Err(), cause)
	}
	return fmt.Errorf("%s: %w", operation, ctx.Err())
}

// Abandon drops the held scopes and aborts the upload, which then has no final batch.
// After Close it does nothing, so it can be deferred.
func (u *Uploader) Abandon() {
	u.cancel(ErrAbandoned)
	<-u.done
}

// ended returns an error if no more scopes are accepted. The caller holds mu.
func (u *Uploader) ended() error {
	if u.err != nil {
		return u.err
	}
	if isClosed(u.closing) {
		return ErrEnded
	}
	return nil
}

// announce wakes all waiters. The caller holds mu.
func (u *Uploader) announce() {
	close(u.changed)
	u.changed = make(chan struct{})
	u.wakeSender()
}

func (u *Uploader) wakeSender() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
