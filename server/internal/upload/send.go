package upload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/intake"
)

// sender posts the batches of one stream, one at a time and in order. A caller must acquire
// the turn before it calls number.
type sender struct {
	opening  *Opening
	progress *progress
	// ctx has the values and the deadline of gRPC's context, but does not end.
	ctx context.Context //nolint:containedctx // POSTs, which do end, are derived from it

	header  *batch.Header
	options options

	// idle holds the turn while no batch is being posted.
	idle chan struct{}

	// mu guards these: cancel, which ends the POST in flight, and bodies, of the batches
	// that are posted or wait for the turn. Bodies may be moved to the spool.
	mu     sync.Mutex
	cancel context.CancelFunc
	bodies []*encode.Body

	// The holder of the turn owns these.

	nextNum int32 // of the next batch
	failed  bool  // a batch was not accepted
	inDoubt bool  // the intake may have more than it has accepted
}

// deadlined is a context that tells a deadline, and does not end by itself. The intake's client starts
// no attempt that the deadline would cut off.
type deadlined struct {
	context.Context
	of context.Context
}

func (d deadlined) Deadline() (time.Time, bool) { return d.of.Deadline() }

func (s *sender) start(u *upload) {
	s.opening, s.progress = u.Opening, &u.progress
	s.ctx = deadlined{context.WithoutCancel(u.rpc.Context()), u.client}
	s.idle, s.cancel = make(chan struct{}, 1), func() {}
	s.release()
}

func (s *sender) begin(h *batch.Header, o options) {
	s.header, s.options, s.nextNum = h, o, o.firstBatchNum
}

// acquire waits for the turn. If ctx has ended it returns the cause, so that nothing is
// posted on a stream that ends.
func (s *sender) acquire(ctx context.Context) error {
	select {
	case <-s.idle:
		if ctx.Err() == nil {
			return nil
		}
		s.release()
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}

// tryAcquire takes the turn if no batch is being posted. It fails if ctx has ended, as
// acquire does: the batch before may have failed, and the next one must not be accepted in
// its place.
func (s *sender) tryAcquire(ctx context.Context) bool {
	select {
	case <-s.idle:
		if ctx.Err() == nil {
			return true
		}
		s.release()
	default:
	}
	return false
}

// release returns the turn.
func (s *sender) release() { s.idle <- struct{}{} }

// waitIdle waits until no batch is being posted.
func (s *sender) waitIdle(ctx context.Context) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	s.release()
	return nil
}

// cancelLater cancels a POST that is still in flight SettleTime after the stream had to end.
func (s *sender) cancelLater(posting context.Context, cancel context.CancelFunc) {
	timer := time.NewTimer(s.opening.server.SettleTime)
	defer timer.Stop()
	select {
	case <-timer.C:
		cancel()
	case <-posting.Done():
	}
}

// settle waits until no batch is being posted. It reports whether the intake has accepted all
// batches that were posted.
func (s *sender) settle() bool {
	<-s.idle
	defer s.release()
	return !s.failed
}

// stop cancels the POST in flight, if any, and waits until it has ended.
func (s *sender) stop() {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	<-s.idle
	s.release()
}

// number numbers a sealed batch, which was open for age. It returns a function that delivers
// the batch and passes the turn on. The caller holds the turn. If number panics, it passes the
// turn on itself. The POST is cancelled if the client is gone, or SettleTime after the stream
// had to end.
func (s *sender) number(sealed *batch.Sealed, age time.Duration, last bool) (post func()) {
	defer func() {
		if post == nil {
			s.release()
		}
	}()
	b := sealed.Number(s.nextNum, last && !s.options.moreFollows)
	s.progress.number(b)
	s.opening.server.Observer.BatchNumbered(b, age)
	ctx, cancel := context.WithCancel(s.ctx)
	gone := context.AfterFunc(s.opening.client, cancel)
	ending := context.AfterFunc(s.opening.ctx, func() { s.cancelLater(ctx, cancel) })
	s.mu.Lock()
	s.cancel = cancel
	s.mu.Unlock()
	return func() {
		defer cancel()
		defer gone()
		defer ending()
		err := s.deliver(ctx, b)
		if err != nil {
			s.failed = true
			s.opening.End(err)
		}
		s.release()
		s.opening.wakeUp()
	}
}

// deliver sends b to the intake, split if the intake finds it too large. It counts b once
// and frees its memory, even in a panic.
func (s *sender) deliver(ctx context.Context, b *batch.Batch) (err error) {
	defer func() {
		if err != nil {
			s.drop(b.File.Body, permanent(err))
		}
	}()
	defer s.opening.server.catch(ctx, func(panicked error) { err = panicked })
	err = s.forward(ctx, b)
	failure, _ := errors.AsType[*intake.Error](err)
	switch {
	case err == nil:
		s.accept(b)
	case failure != nil && failure.TooLarge() && !failure.InDoubt():
		return s.split(ctx, b, failure)
	case failure != nil && failure.TooLarge():
		// The intake may have it after all. Then its parts must not be sent.
		s.opening.grant.Learned.Refused(b)
		s.inDoubt = true
		return errTooLargeInDoubt
	case failure != nil && failure.InDoubt():
		s.inDoubt = true
	}
	return err
}

// forward sends b to the intake, with retries, and measures how long that takes.
func (s *sender) forward(ctx context.Context, b *batch.Batch) (err error) {
	s.progress.posting.Store(b.Num)
	ctx, end := s.opening.server.Tracer.batch(ctx, b)
	begin := time.Now()
	err = errInternal // if Forward panics
	defer func() {
		s.progress.posting.Store(0)
		s.opening.server.Observer.BatchForwarded(err == nil, time.Since(begin))
		end(err)
	}()
	return s.opening.grant.Route.Forward(ctx, s.opening.grant.Caller(), b)
}

func (s *sender) accept(b *batch.Batch) {
	s.nextNum = b.Num + 1
	s.progress.accept(b)
	s.opening.grant.Learned.Accepted(b)
	s.remove(b.File.Body)
	s.opening.server.Offer(s.opening.grant, b)
}

// split sends a batch that the intake found too large in parts. It also lowers the limit
// for the tenant's later batches. An error has the text of the intake's answer, for the log.
func (s *sender) split(ctx context.Context, b *batch.Batch, answer *intake.Error) error {
	choices := s.opening.grant.Learned.Refused(b)
	if s.options.singleBatch {
		return batchTooLarge(choices[0])
	}
	parts, err := s.splitTo(b, choices)
	if unsplittable, ok := errors.AsType[*batch.UnsplittableError](err); ok {
		// All batches before b are accepted. If b is a part, its first root may have begun in them.
		ordinal := s.progress.acceptedScopes.Load() + unsplittable.Index
		err = &unsplittableError{UnsplittableError: unsplittable, ordinal: ordinal}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", answer.Error(), err)
	}
	for _, part := range parts {
		s.add(part)
	}
	s.progress.openBatch.Store(b.Num + int32(len(parts)))
	s.drop(b.File.Body, true)
	for i, part := range parts {
		if err := s.deliver(ctx, part.Number(s.nextNum, b.Final && i == len(parts)-1)); err != nil {
			// Half of a scope may be in an accepted part. To resume with the whole scope
			// would send that half twice.
			s.inDoubt = s.inDoubt || i > 0
			return err
		}
	}
	return nil
}

// splitTo splits b by the first of the limits that all its scopes fit. If none does, it
// returns the error of the first.
func (s *sender) splitTo(b *batch.Batch, choices []batch.Limits) ([]*batch.Sealed, error) {
	var first error
	for _, limits := range choices {
		parts, err := b.Split(s.opening.server.Compressors, limits)
		if err == nil {
			return parts, nil
		}
		if first == nil {
			first = err
		}
		if _, ok := errors.AsType[*batch.UnsplittableError](err); !ok {
			break
		}
	}
	return nil, first
}

// add adds a sealed batch, which remove or drop removes.
func (s *sender) add(b *batch.Sealed) {
	s.opening.server.Counts.BatchesSealed.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bodies = append(s.bodies, b.Body)
}

// remove removes a batch. It reports false if the batch was removed before.
func (s *sender) remove(body *encode.Body) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.bodies, body)
	if i < 0 {
		return false
	}
	s.bodies = slices.Delete(s.bodies, i, i+1)
	return true
}

// drop removes and releases a batch that is not accepted. It counts the batch as refused,
// or else as given back to its client, who may send it again.
func (s *sender) drop(body *encode.Body, refused bool) {
	if !s.remove(body) {
		return
	}
	body.Release()
	if refused {
		s.opening.server.Counts.BatchesRefused.Add(1)
	} else {
		s.opening.server.Counts.BatchesGivenBack.Add(1)
	}
}

// spill moves the batches to the spool, as far as it has room.
func (s *sender) spill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, body := range s.bodies {
		_, err := body.Spill(s.opening.server.Spool)
		s.opening.server.noteSpool(err)
	}
}

// close drops the batches that are left behind one that failed.
func (s *sender) close() {
	s.stop()
	for _, body := range slices.Clone(s.bodies) {
		s.drop(body, false)
	}
}

// noProgress is the progress of a stream whose metadata was not read.
var noProgress = &symdbv1.UploadProgress{}

// resumption returns what the client needs to resume the upload, or nil if that is not
// known.
func (s *sender) resumption() *symdbv1.UploadProgress {
	switch {
	case s.header == nil:
		return noProgress
	case s.inDoubt:
		return nil
	}
	return &symdbv1.UploadProgress{
		UploadId: s.header.UploadID, AcceptedScopeCount: s.progress.acceptedScopes.Load(), NextBatchNum: s.nextNum,
	}
}

func (s *sender) summary() *symdbv1.UploadScopesResponse {
	accepted := s.progress.snapshot()
	return &symdbv1.UploadScopesResponse{
		UploadId:        s.header.UploadID,
		ScopeCount:      accepted.AcceptedScopes,
		BatchCount:      s.nextNum - s.options.firstBatchNum,
		RawBytes:        accepted.AcceptedJSONBytes,
		CompressedBytes: accepted.AcceptedGzipBytes,
	}
}
