package upload

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/intake"
)

// sender posts the batches of one stream, one at a time and in order. Whoever has
// the turn may post; the goroutine that post starts gives the turn back.
type sender struct {
	stream   *Opening
	progress *progress
	// ctx is gRPC's own. A batch may travel in it for a while after the stream's context
	// has ended.
	ctx context.Context //nolint:containedctx // it is the stream's, and ends with it

	header  *batch.Header
	options options

	// idle holds the turn while no batch travels.
	idle chan struct{}

	// mu guards breakOff, which ends the POST of the batch that travels, and bodies: those
	// of the batches that travel or wait for their turn, which may be spilled.
	mu       sync.Mutex
	breakOff context.CancelFunc
	bodies   []*encode.Body

	// What follows belongs to whoever has the turn.

	nextNum  int32 // of the batch that is accepted next
	complete bool  // the stream's last batch is accepted
	inDoubt  bool  // the intake has, or may have, more than is accepted
}

func (s *sender) start(u *upload) {
	s.stream, s.progress, s.ctx = u.Opening, &u.progress, u.rpc.Context()
	s.idle, s.breakOff = make(chan struct{}, 1), func() {}
	s.yield()
}

func (s *sender) begin(h *batch.Header, o options) {
	s.header, s.options, s.nextNum = h, o, o.firstBatchNum
}

// turn waits for the turn. It returns the cause of ctx instead once that has ended,
// so that nothing is posted on a stream that ends.
func (s *sender) turn(ctx context.Context) error {
	select {
	case <-s.idle:
		if ctx.Err() == nil {
			return nil
		}
		s.yield()
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}

// tryTurn takes the turn if no batch travels.
func (s *sender) tryTurn() bool {
	select {
	case <-s.idle:
		return true
	default:
		return false
	}
}

// yield gives the turn back.
func (s *sender) yield() { s.idle <- struct{}{} }

// land waits until no batch travels.
func (s *sender) land(ctx context.Context) error {
	if err := s.turn(ctx); err != nil {
		return err
	}
	s.yield()
	return nil
}

// settle waits until no batch travels, breaks off the one that does when settling
// ends, and reports whether the stream's last batch is accepted.
func (s *sender) settle(settling context.Context) bool {
	select {
	case <-s.idle:
	case <-settling.Done():
		s.stop()
		<-s.idle
	}
	defer s.yield()
	return s.complete
}

// stop breaks off the batch that travels, if any, and waits for its end.
func (s *sender) stop() {
	s.mu.Lock()
	s.breakOff()
	s.mu.Unlock()
	<-s.idle
	s.yield()
}

// post gives a sealed batch, which was open for age, the next number and sends it on its
// way. The caller has the turn, and gives it away.
func (s *sender) post(sealed *batch.Sealed, age time.Duration, last bool) {
	b := sealed.Number(s.nextNum, last && !s.options.moreFollows)
	s.progress.seal(b)
	s.stream.server.Observer.BatchSealed(b, age)
	ctx, cancel := context.WithCancel(s.ctx)
	s.mu.Lock()
	s.breakOff = cancel
	s.mu.Unlock()
	s.stream.server.goroutines.Go(func() {
		defer cancel()
		err := s.forward(ctx, b)
		s.complete = last && err == nil
		if err != nil {
			s.stream.end(err)
		}
		s.yield()
		s.stream.wakeUp()
	})
}

// forward takes b to the intake, as several batches if it is too large for that. Whatever
// becomes of b, a panic included, it is counted once, and holds nothing afterwards.
func (s *sender) forward(ctx context.Context, b *batch.Batch) (err error) {
	defer func() {
		if err != nil {
			s.giveUp(b.File.Body, permanent(err))
		}
	}()
	defer s.stream.server.catch(ctx, func(panicked error) { err = panicked })
	err = s.attempt(ctx, b)
	failure, _ := errors.AsType[*intake.Error](err)
	switch {
	case err == nil:
		s.accept(b)
	case failure != nil && failure.TooLarge() && !failure.InDoubt():
		return s.split(ctx, b)
	case failure != nil && failure.TooLarge():
		// Its parts must not go out beside it, should the intake have it after all.
		s.stream.grant.Learned.Refused(b)
		s.inDoubt = true
		return errTooLargeInDoubt
	case failure != nil && failure.InDoubt():
		s.inDoubt = true
	}
	return err
}

// attempt takes b to the intake, and measures how long that takes.
func (s *sender) attempt(ctx context.Context, b *batch.Batch) (err error) {
	s.progress.travelling.Store(b.Num)
	ctx, end := s.stream.server.Tracer.batch(ctx, b)
	begin := time.Now()
	err = errInternal // in a panic
	defer func() {
		s.progress.travelling.Store(0)
		s.stream.server.Observer.BatchForwarded(err == nil, time.Since(begin))
		end(err)
	}()
	return s.stream.grant.Route.ForwardFor(ctx, s.stream.grant.Sender(), b)
}

func (s *sender) accept(b *batch.Batch) {
	s.nextNum = b.Num + 1
	s.progress.accept(b)
	s.stream.grant.Learned.Accepted(b)
	s.forget(b.File.Body)
	s.stream.server.Offer(s.stream.grant, b)
}

// split posts what the intake found too large as several batches, and has the tenant's
// later batches be smaller.
func (s *sender) split(ctx context.Context, b *batch.Batch) error {
	choices := s.stream.grant.Learned.Refused(b)
	if s.options.singleBatch {
		return batchTooLarge(choices[0])
	}
	parts, err := s.splitTo(b, choices)
	if err != nil {
		return err
	}
	for _, part := range parts {
		s.keep(part)
	}
	s.giveUp(b.File.Body, true)
	for i, part := range parts {
		if err := s.forward(ctx, part.Number(s.nextNum, b.Final && i == len(parts)-1)); err != nil {
			// A scope may lie half in a part that was accepted: sent again whole, it
			// would be there one and a half times.
			s.inDoubt = s.inDoubt || i > 0
			return err
		}
	}
	return nil
}

// splitTo splits b to the first of the limits that its scopes can be fitted into. If
// there is none, it returns what stands against the first.
func (s *sender) splitTo(b *batch.Batch, choices []batch.Limits) ([]*batch.Sealed, error) {
	var first error
	for _, limits := range choices {
		parts, err := b.Split(s.stream.server.Compressors, limits)
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

// keep takes a sealed batch into care: it may be spilled until it is accepted or given
// up.
func (s *sender) keep(b *batch.Sealed) {
	s.stream.server.Counts.BatchesSealed.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bodies = append(s.bodies, b.Body)
}

// forget takes a batch out of care. It reports false if that has happened before.
func (s *sender) forget(body *encode.Body) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.bodies, body)
	if i < 0 {
		return false
	}
	s.bodies = slices.Delete(s.bodies, i, i+1)
	return true
}

// giveUp gives up a batch that is in care: as refused if the same again would fail
// again, or else its client may send it again.
func (s *sender) giveUp(body *encode.Body, refused bool) {
	if !s.forget(body) {
		return
	}
	body.Release()
	if refused {
		s.stream.server.Counts.BatchesRefused.Add(1)
	} else {
		s.stream.server.Counts.BatchesGivenBack.Add(1)
	}
}

// spill moves the batches in care to the spool, as far as it has room.
func (s *sender) spill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, body := range s.bodies {
		_, err := body.Spill(s.stream.server.Spool)
		s.stream.server.noteSpool(s.ctx, err)
	}
}

// close gives up the batches that are left, those behind one that failed, once no batch
// travels.
func (s *sender) close() {
	s.stop()
	for _, body := range slices.Clone(s.bodies) {
		s.giveUp(body, false)
	}
}

// noProgress is that of a stream whose metadata was not read.
var noProgress = &symdbv1.UploadProgress{}

// resumption returns what the client needs to resume the upload; nil if that is not
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
