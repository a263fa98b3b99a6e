package upload

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/access"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/intake"
)

// sender posts the batches of one stream, one at a time and in order. Whoever has
// the turn may post; the goroutine that post starts gives the turn back.
type sender struct {
	server   *Server
	grant    access.Grant
	progress *progress
	// end ends the stream when a batch is not accepted.
	end context.CancelCauseFunc
	// ctx is that of each POST. It outlives the stream's by the time to settle.
	ctx    context.Context //nolint:containedctx // it is the stream's, and ends with it
	cancel context.CancelFunc

	header  *batch.Header
	options options

	// idle holds the turn while no batch travels.
	idle chan struct{}
	// landed is told when a batch has landed.
	landed chan struct{}

	// mu guards bodies: those of the batches that travel or wait for their turn, which
	// may be spilled.
	mu     sync.Mutex
	bodies map[*encode.Body]struct{}

	// What follows belongs to whoever has the turn.

	nextNum  int32 // of the batch that is accepted next
	complete bool  // the stream's last batch is accepted
	inDoubt  bool  // the intake has, or may have, more than is accepted
}

func (s *sender) start(u *upload) {
	s.server, s.grant, s.progress, s.end = u.server, u.grant, &u.progress, u.end
	s.ctx, s.cancel = context.WithCancel(u.rpc.Context())
	s.idle, s.landed = make(chan struct{}, 1), make(chan struct{}, 1)
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
		s.cancel()
		<-s.idle
	}
	defer s.yield()
	return s.complete
}

// stop breaks off the batch that travels, if any, and waits for its end.
func (s *sender) stop() {
	s.cancel()
	<-s.idle
	s.yield()
}

// post gives a sealed batch, which was open for age, the next number and sends it on its
// way. The caller has the turn, and gives it away.
func (s *sender) post(sealed *batch.Sealed, age time.Duration, last bool) {
	b := sealed.Number(s.nextNum, last && !s.options.moreFollows)
	s.progress.seal(b)
	s.server.Observer.BatchSealed(b, age)
	s.server.goroutines.Go(func() {
		err := s.forward(b)
		s.complete = last && err == nil
		if err != nil {
			s.end(err)
		}
		s.yield()
		select {
		case s.landed <- struct{}{}:
		default: // it is told already
		}
	})
}

// forward takes b to the intake, as several batches if it is too large for that. Whatever
// becomes of b, a panic included, it is counted once, and holds nothing afterwards.
func (s *sender) forward(b *batch.Batch) (err error) {
	defer func() {
		if err != nil {
			s.giveUp(b.File.Body, permanent(err))
		}
	}()
	defer s.server.catch(s.ctx, func(panicked error) { err = panicked })
	err = s.attempt(b)
	failure, _ := errors.AsType[*intake.Error](err)
	switch {
	case err == nil:
		s.accept(b)
	case failure != nil && failure.TooLarge() && !failure.InDoubt():
		return s.split(b)
	case failure != nil && failure.TooLarge():
		// Its parts must not go out beside it, should the intake have it after all.
		s.grant.Learned.Refused(b)
		s.inDoubt = true
		return errTooLargeInDoubt
	case failure != nil && failure.InDoubt():
		s.inDoubt = true
	}
	return err
}

// attempt takes b to the intake, and measures how long that takes.
func (s *sender) attempt(b *batch.Batch) (err error) {
	s.progress.travelling.Store(b.Num)
	ctx, end := s.server.Tracer.batch(s.ctx, b)
	begin := time.Now()
	err = errInternal // in a panic
	defer func() {
		s.progress.travelling.Store(0)
		s.server.Observer.BatchForwarded(err == nil, time.Since(begin))
		end(err)
	}()
	return s.grant.Route.ForwardFor(ctx, s.grant.Sender(), b)
}

func (s *sender) accept(b *batch.Batch) {
	s.nextNum = b.Num + 1
	s.progress.accept(b)
	s.grant.Learned.Accepted(b)
	s.forget(b.File.Body)
	s.server.Offer(s.grant, b)
}

// split posts what the intake found too large as several batches, and has the tenant's
// later batches be smaller.
func (s *sender) split(b *batch.Batch) error {
	choices := s.grant.Learned.Refused(b)
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
		if err := s.forward(part.Number(s.nextNum, b.Final && i == len(parts)-1)); err != nil {
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
		parts, err := b.Split(s.server.Compressors, limits)
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
	s.server.Counts.BatchesSealed.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bodies == nil {
		s.bodies = make(map[*encode.Body]struct{}, 1)
	}
	s.bodies[b.Body] = struct{}{}
}

// forget takes a batch out of care. It reports false if that has happened before.
func (s *sender) forget(body *encode.Body) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, kept := s.bodies[body]
	delete(s.bodies, body)
	return kept
}

// giveUp gives up a batch that is in care: as refused if the same again would fail
// again, or else its client may send it again.
func (s *sender) giveUp(body *encode.Body, refused bool) {
	if !s.forget(body) {
		return
	}
	body.Release()
	if refused {
		s.server.Counts.BatchesRefused.Add(1)
	} else {
		s.server.Counts.BatchesGivenBack.Add(1)
	}
}

// spill moves the batches in care to the spool, as far as it has room.
func (s *sender) spill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for body := range s.bodies {
		_, err := body.Spill(s.server.Spool)
		s.server.noteSpool(s.ctx, err)
	}
}

// close gives up the batches that are left, those behind one that failed, once no batch
// travels.
func (s *sender) close() {
	s.stop()
	for _, body := range slices.Collect(maps.Keys(s.bodies)) {
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
