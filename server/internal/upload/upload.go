package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/connlimit"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

// idHeader is the header that carries the upload's ID to the client.
const idHeader = "scopegate-upload-id"

type uploadStream = grpc.ClientStreamingServer[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse]

// upload is one stream of an upload. Three goroutines work on it:
//
//   - The reader, consume, receives scopes and fills the open batch. It owns the
//     open batch except while it waits, and all its waits go through waiting.
//   - The event loop, events, acts while the reader waits. It runs in gRPC's own
//     goroutine, because only the handler's return ends a stream whose client is silent.
//   - The sender (send.go) posts a sealed batch while the next one fills.
type upload struct {
	*Opening

	rpc      uploadStream
	conn     *connlimit.Conn // nil until the metadata is accepted
	receiver receiver
	sender   sender
	progress progress

	begun    chan struct{}  // closed once the metadata is valid
	done     chan error     // gets the result of consume
	clock    *time.Timer    // wakes the event loop
	answered sync.WaitGroup // done when the client has its answer

	// The event loop owns these until the client has its answer, then the reader.

	consumed bool // the reader has ended
	refused  bool // the answer is an error that a retry would meet again
	closed   bool

	// mu guards these. The reader releases it while it waits, except for a compressor
	// and for the spool.
	mu       sync.Mutex
	batches  *batch.Assembler // nil until the metadata is accepted
	openedAt time.Time        // when the open batch got its first scope
	tooOldAt time.Time        // when it is forwarded even if it is not full
	packing  packing
	clockAt  time.Time // when clock fires
}

// UploadScopes serves one stream: a whole upload or a part of one.
func (s *Server) UploadScopes(rpc uploadStream) error {
	opening := openingOf(rpc.Context())
	if opening == nil || !opening.claim() {
		return Status(rpc.Context().Err(), nil)
	}
	u := s.start(opening, rpc)
	defer u.answered.Done()
	s.goroutines.Go(u.read)
	return u.answer(u.events())
}

// read runs the reader. It closes the upload once its client has its answer, unless the
// event loop has done so.
func (u *upload) read() {
	u.register()
	u.done <- u.consume()
	u.answered.Wait()
	u.conn.Release() // from now on the connection may be evicted
	u.close()
}

// consume is the reader. It returns nil once the intake has accepted the last batch.
func (u *upload) consume() (err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.server.catch(u.ctx, func(panicked error) { err = panicked })
	md, err := u.receiveMetadata()
	if err != nil {
		return err
	}
	if err := u.begin(md); err != nil {
		return err
	}
	return u.consumeScopes()
}

// consumeScopes receives scopes and forwards them in batches.
func (u *upload) consumeScopes() error {
	first, err := u.receive()
	if errors.Is(err, io.EOF) {
		return u.receiver.invalid("required: an upload has at least one scope")
	}
	if err != nil {
		return err
	}
	u.place.Leave()
	if u.sender.options.moreFollows {
		return u.consumeAtOnce(first)
	}
	return u.consumeHolding(first)
}

// consumeAtOnce adds each scope as it arrives. No batch of the stream is final.
func (u *upload) consumeAtOnce(scope transcode.Checked) error {
	for {
		err := u.addAndPost(scope)
		u.receiver.release()
		if err != nil {
			return err
		}
		scope, err = u.receive()
		switch {
		case errors.Is(err, io.EOF):
			return u.finish()
		case err != nil:
			return err
		}
	}
}

// consumeHolding holds the newest scope back until the next one or the end of the stream
// arrives, so that the final batch always has a scope.
func (u *upload) consumeHolding(held transcode.Checked) error {
	for {
		next, err := u.receive()
		switch {
		case errors.Is(err, io.EOF):
			return u.finish(held)
		case err != nil:
			return err
		}
		if err := u.addAndPost(held); err != nil {
			return err
		}
		held = next
	}
}

// events is the event loop. Until the stream ends it handles everything that can happen
// while the reader waits: a batch was accepted or got too old, memory is short, the client
// is too slow. It returns nil once the intake has accepted the last batch, and otherwise
// the reason why the stream ends.
func (u *upload) events() error {
	for {
		select {
		case err := <-u.done:
			u.consumed = true
			if err != nil && errors.Is(err, context.Cause(u.ctx)) {
				return u.settle(err)
			}
			return err
		case <-u.ctx.Done():
			return u.settle(context.Cause(u.ctx))
		case <-u.wake:
		case <-u.clock.C:
		}
		u.onFreshStack(u.handleEvents)
	}
}

// waiting releases the lock while wait waits. The reader does so nowhere else.
func (u *upload) waiting(in Phase, wait func() error) error {
	u.mu.Unlock()
	defer u.mu.Lock()
	u.progress.enter(in)
	defer u.progress.enter(Encoding)
	return wait()
}

// receiveMetadata receives the first message.
func (u *upload) receiveMetadata() (md *symdbv1.UploadMetadata, err error) {
	if err := grpcwire.AnswerPlain(u.rpc.Context()); err != nil {
		return nil, err
	}
	err = u.waiting(Receiving, func() (err error) {
		md, err = u.receiver.metadata()
		return err
	})
	return md, err
}

// begin checks the metadata, admits the upload and sends its ID to the client.
func (u *upload) begin(md *symdbv1.UploadMetadata) error {
	header, options, err := readMetadata(md, u.server.MaxDepth)
	u.progress.header.Store(header) // even if it is invalid, for the log
	if err != nil {
		return err
	}
	defer close(u.begun)
	u.progress.begin(options.firstBatchNum)
	u.sender.begin(header, options)
	if u.timeLeft() <= 0 {
		u.end(ErrConnectionAge)
	}
	u.server.Tracer.describe(u.rpc.Context(), header, options)
	if err := u.account.Admit(header.Service, header.HeldBytes()); err != nil {
		return fmt.Errorf("admit upload: %w", err)
	}
	if err := u.server.Access.Claim(u.grant, header); err != nil {
		return err
	}
	u.conn = grpcwire.ConnOf(u.rpc.Context())
	u.conn.Use()
	policy := u.server.Policy
	policy.Learned = u.grant.Learned
	if options.singleBatch {
		policy = batch.Policy{FlushThresholdBytes: math.MaxInt}
	}
	u.batches = batch.NewAssembler(header, policy, u.server.Compressors, u.account)
	if err := u.rpc.SendHeader(metadata.Pairs(idHeader, header.UploadID)); err != nil {
		return fmt.Errorf("send header: %w", grpcwire.Gone(u.rpc.Context(), err))
	}
	return nil
}

// receive waits for memory, for the next scope, and for memory again. It checks the scope.
func (u *upload) receive() (transcode.Checked, error) {
	var wire []byte
	err := u.waiting(WaitingForMemory, func() (err error) {
		wire, err = u.receiver.next(u.ctx)
		return err
	})
	if err != nil {
		return transcode.Checked{}, err
	}
	scope, err := u.server.Plan.Check(wire, u.server.MaxDepth)
	if err != nil {
		return transcode.Checked{}, scopeError(u.progress.scopes.Load()-1, err)
	}
	return scope, nil
}

// add puts a scope into the open batch.
func (u *upload) add(scope transcode.Checked) error {
	if u.batches.Empty() {
		u.startAge()
	}
	if u.batches.Empty() || u.packing.packed {
		u.startPacking()
	}
	if err := u.resume(); err != nil {
		return u.endEarly(err)
	}
	u.batches.Add(scope)
	u.progress.grow(u.batches)
	u.receiver.releaseOlder()
	if u.sender.options.singleBatch {
		return u.checkSingleBatch()
	}
	return nil
}

// addAndPost puts a scope into the open batch, and starts to post the batch if it is full.
func (u *upload) addAndPost(scope transcode.Checked) error {
	if err := u.add(scope); err != nil {
		return err
	}
	if u.batches.Full() {
		return u.sealAndPost(false)
	}
	return nil
}

// complete adds the rest to the last batch, and compresses the batch. Few uploads do so at a
// time: when thousands of quiet ones end together, their batches must not all be unpacked
// before the first is compressed.
func (u *upload) complete(rest []transcode.Checked) error {
	places := u.server.completing
	err := u.waiting(Finishing, func() error {
		select {
		case places <- struct{}{}:
			return nil
		case <-u.ctx.Done():
			return context.Cause(u.ctx)
		}
	})
	if err != nil {
		return err
	}
	defer func() { <-places }()
	for _, scope := range rest {
		if err := u.add(scope); err != nil {
			return err
		}
	}
	if err := u.resume(); err != nil {
		return u.endEarly(err)
	}
	u.batches.Compress()
	return nil
}

// resume makes the open batch ready for more scopes, and for seal.
func (u *upload) resume() error {
	if err := u.batches.Resume(); err != nil {
		return fmt.Errorf("%w: %w", ErrMemory, err)
	}
	return nil
}

// endEarly ends the stream for a cause that is not the batch being posted, which may still be
// accepted. It returns the cause, unless the stream is ending already.
func (u *upload) endEarly(cause error) error {
	u.end(cause)
	return context.Cause(u.ctx)
}

// checkSingleBatch returns an error if a stream's single batch has become too large.
func (u *upload) checkSingleBatch() error {
	if most := u.server.MaxBatchBytes; u.batches.CompressedBytes() > most {
		return batchTooLarge(batch.Limits{CompressedBytes: most})
	}
	if most := u.server.MaxBatchRawBytes; u.batches.RawBytes() > most {
		return batchTooLarge(batch.Limits{RawBytes: most})
	}
	return nil
}

// sealAndPost seals the open batch and starts to post it once the batch before it is accepted.
func (u *upload) sealAndPost(last bool) error {
	b, age, err := u.seal()
	if err != nil {
		return u.endEarly(err)
	}
	err = u.waiting(WaitingForTurn, func() error { return u.sender.acquire(u.ctx) })
	if err != nil {
		u.sender.drop(b.Body, false)
		return err
	}
	u.sender.startPosting(b, age, last)
	return nil
}

// finish adds the rest to the last batch, forwards the batch and waits until the intake has
// accepted it. It fails if the client's credential was revoked meanwhile.
func (u *upload) finish(rest ...transcode.Checked) error {
	if err := u.server.Access.Revoked(u.grant); err != nil {
		return u.endEarly(err)
	}
	if err := u.complete(rest); err != nil {
		return err
	}
	if !u.batches.Empty() {
		if err := u.sealAndPost(true); err != nil {
			return err
		}
	}
	return u.waiting(Finishing, func() error { return u.sender.waitIdle(u.ctx) })
}

// seal seals the open batch, hands it to the sender, and returns how long it was open.
func (u *upload) seal() (*batch.Sealed, time.Duration, error) {
	if err := u.resume(); err != nil {
		return nil, 0, err
	}
	b := u.batches.Seal()
	u.sender.add(b)
	return b, time.Since(u.openedAt), nil
}
