package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// ErrAbandoned is returned by an [Uploader] after [Uploader.Abandon].
var ErrAbandoned = errors.New("uploader was abandoned")

// Uploader is the push form of an upload, for scopes that can't be found a second
// time. It takes scopes one by one and sends them in streams that are one batch
// each, one after the other. What was not accepted goes again, under the same
// upload_id and batch number, so that a batch whose answer was lost can be told
// from a new one. Its methods may be called by several goroutines at once.
type Uploader struct {
	client   *Client
	metadata *symdbv1.UploadMetadata
	options  UploaderOptions
	wake     chan struct{}
	closing  chan struct{} // closed by Close
	done     chan struct{} // closed when the goroutine has ended
	cancel   context.CancelCauseFunc
	sender   sender

	mu        sync.Mutex
	changed   chan struct{} // closed, and replaced, when waiters shall look again
	held      held
	heldBytes int   // of held, and of what is being added
	waiting   bool  // somebody found no room
	flushTo   int64 // ordinal before which all is sent without delay
	stats     UploaderStats
	summary   *symdbv1.UploadScopesResponse
	err       error
}

// NewUploader begins an upload. Nothing is sent before there is a scope; the
// goroutine that sends is ended by [Uploader.Close] or [Uploader.Abandon], one of
// which must be called. An empty upload_id is replaced by a new random UUID.
// first_batch_num, more_follows and single_batch of the metadata are the
// Uploader's own to set.
//
// Failures that pass (UNAVAILABLE, and RESOURCE_EXHAUSTED by an overloaded server)
// are waited for as long as it takes, see [WithBackoff]. A failure that
// carries no word of the server's is given the attempts of [WithMaxAttempts]. A
// batch refused as too large is sent in halves, a scope that is refused is left
// out, see [RefusedScope]. Any other failure is permanent: it ends the upload,
// drops what is held, and is returned from then on.
func NewUploader(c *Client, metadata *symdbv1.UploadMetadata, options UploaderOptions) (*Uploader, error) {
	if metadata == nil {
		return nil, inputError("open uploader", "no metadata")
	}
	options, err := options.withDefaults(c.settings.maxMessageBytes)
	if err != nil {
		return nil, err
	}
	metadata = proto.CloneOf(metadata)
	if metadata.GetUploadId() == "" {
		metadata.UploadId = uuid.NewString()
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	u := &Uploader{
		client:   c,
		metadata: metadata,
		options:  options,
		wake:     make(chan struct{}, 1),
		closing:  make(chan struct{}),
		done:     make(chan struct{}),
		changed:  make(chan struct{}),
		cancel:   cancel,
		summary:  &symdbv1.UploadScopesResponse{UploadId: metadata.GetUploadId()},
	}
	u.sender = sender{Uploader: u, thresholdBytes: options.ThresholdBytes, batchNum: 1}
	go u.sender.run(ctx)
	return u, nil
}

// ID returns the upload's id.
func (u *Uploader) ID() string { return u.metadata.GetUploadId() }

// Stats returns what has become of the scopes so far.
func (u *Uploader) Stats() UploaderStats {
	u.mu.Lock()
	defer u.mu.Unlock()
	stats := u.stats
	stats.Held, stats.HeldBytes = int64(len(u.held.messages)), u.heldBytes
	return stats
}

// Add takes a root scope, marshalled: the caller may change it when Add returns.
// A scope larger than [WithMaxMessageBytes] allows is split. That Add returns nil
// means that the scope is held, or, with [DropNewest], dropped; it is delivered
// when Close says so. Where there is no room, [Block] has Add wait until ctx ends;
// of a scope that is split, parts may have been taken by then.
//
// Errors are the context's, a [*ScopeTooLargeError], an [*Error] for a scope that
// can't be marshalled, the failure that ended the upload, [ErrEnded] after Close
// and [ErrAbandoned] after Abandon. The scope is not counted then.
func (u *Uploader) Add(ctx context.Context, scope *symdbv1.Scope) error {
	if scope == nil {
		return inputError("add scope", "the scope is nil")
	}
	var parts []*symdbv1.Scope
	needBytes := 0
	for part, err := range messages(scope, u.client.settings.maxMessageBytes) {
		if err != nil {
			return fmt.Errorf("add scope: %w", err)
		}
		parts = append(parts, part)
		needBytes += proto.Size(scopeRequest(part)) + upkeepBytes
	}
	if u.options.WhenFull == DropNewest {
		reserved, err := u.reserve(needBytes)
		if err != nil {
			return err
		}
		if !reserved {
			u.drop(len(parts))
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

// await waits until there is room.
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

// reserve takes room for what is to be pushed, if there is any.
func (u *Uploader) reserve(needBytes int) (bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.ended(); err != nil {
		return false, err
	}
	if u.heldBytes+needBytes > u.options.MaxHeldBytes {
		u.waiting = true
		u.wakeSender()
		return false, nil
	}
	u.heldBytes += needBytes
	return true, nil
}

// push holds messages for which there is room, all or none.
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

func (u *Uploader) drop(count int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stats.Added += int64(count)
	u.stats.Dropped += int64(count)
}

// Flush sends what is held without waiting for more, and returns when each scope
// that was added before is accepted, refused or dropped; the newest one is held
// back all the same. It returns the context's error, or the failure that ended
// the upload.
func (u *Uploader) Flush(ctx context.Context) error {
	u.mu.Lock()
	flushTo := max(0, u.held.pushedCount-1)
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

// Close takes no more scopes, sends all that is held, the last stream as the one
// that ends the upload, and returns when the intake has accepted it. A wait
// for another attempt is cut short. The summary is the whole upload's; sizes are
// missing in it of a batch whose answer was lost for good. Where no scope was
// added there is no upload, and the summary says so with a scope_count of 0.
//
// When ctx ends first, what is still held is dropped, see [UploaderStats], the
// upload never has a final batch, and Close returns an error that wraps the
// context's and the last failure. Where all scopes were refused, Close returns
// the last refusal. Called again, Close returns the same.
func (u *Uploader) Close(ctx context.Context) (*symdbv1.UploadScopesResponse, error) {
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
		return nil, u.err
	}
	return proto.CloneOf(u.summary), nil
}

// contextError tells that ctx has ended, and why.
func contextError(ctx context.Context, operation string) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%s: %w: %w", operation, ctx.Err(), cause)
	}
	return fmt.Errorf("%s: %w", operation, ctx.Err())
}

// Abandon drops what is held and breaks the upload off, so that it never has a
// final batch. After Close it does nothing, so it can be deferred.
func (u *Uploader) Abandon() {
	u.cancel(ErrAbandoned)
	<-u.done
}

// ended returns why nothing more is taken. The caller holds mu.
func (u *Uploader) ended() error {
	if u.err != nil {
		return u.err
	}
	if isClosed(u.closing) {
		return ErrEnded
	}
	return nil
}

// announce has all who wait look again. The caller holds mu.
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
