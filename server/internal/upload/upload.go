package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/connlimit"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

// idHeader is the header that carries the upload's ID to the client.
const idHeader = "scopegate-upload-id"

type uploadStream = grpc.ClientStreamingServer[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse]

// upload is one stream of an upload. Its goroutines are:
//
//   - The reader, consume, receives scopes and fills the open batch. It owns the
//     open batch except while it waits, and all its waits go through waiting. It runs in
//     gRPC's own goroutine.
//   - One for each event that happens while the reader waits (handle, events.go).
//   - The sender (send.go) posts a sealed batch while the next one fills.
type upload struct {
	*Opening

	rpc      uploadStream
	conn     *connlimit.Conn // nil until the metadata is accepted
	receiver receiver
	sender   sender
	progress progress

	begun   atomic.Bool // the metadata is valid
	clock   *time.Timer // calls handle
	refused bool        // the answer is an error that a retry would meet again

	// held is the newest scope, which is not in a batch yet, if holds is set.
	held  transcode.Checked
	holds bool

	// mu guards these. The reader releases it while it waits, except for a compressor
	// and for the spool.
	mu       sync.Mutex
	batches  *batch.Assembler // nil until the metadata is accepted
	openedAt time.Time        // when the open batch got its first scope
	tooOldAt time.Time        // when it is forwarded even if it is not full
	packing  packing
	clockAt  time.Time // when clock fires
	closed   bool
}

// UploadScopes serves one stream: a whole upload or a part of one.
func (s *Server) UploadScopes(rpc uploadStream) (err error) {
	s.goroutines.Add(1)
	defer s.goroutines.Done()
	defer s.catch(rpc.Context(), func(panicked error) { err = Status(panicked, nil) })
	opening := openingOf(rpc.Context())
	if opening == nil || !opening.claim() {
		return s.refuse(context.Cause(rpc.Context()))
	}
	u, err := s.start(opening, rpc)
	if err == nil {
		u.register()
		err = u.settle(u.consume())
	}
	err = u.answer(err)
	u.conn.Release() // from now on the connection may be evicted
	return err
}

// consume is the reader. It returns nil once the intake has accepted the last batch.
func (u *upload) consume() (err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.server.catch(u.ctx, func(panicked error) { err = panicked })
	if err := grpcwire.AnswerPlain(u.rpc.Context()); err != nil {
		return err
	}
	err = u.waiting(Receiving, u.receiver.await)
	if errors.Is(err, io.EOF) {
		return u.receiver.invalid("required: the stream ended before its first message")
	}
	if err == nil {
		err = u.onLargeStack(u.begin)
	}
	take := u.take // once, because it is allocated
	for err == nil {
		err = u.waiting(Receiving, u.receiver.awaitScope)
		if errors.Is(err, io.EOF) {
			return u.finish()
		}
		if err == nil {
			err = u.onLargeStack(take)
		}
		if err == nil && u.batches.Full() {
			err = u.sealAndPost(false)
		}
	}
	return err
}

// take receives the next scope. It adds the one before and holds this one back until the next
// one or the end of the stream arrives, so that the final batch always has a scope. If no
// batch of the stream is final, it adds the scope at once.
func (u *upload) take() error {
	var wire []byte
	err := u.waiting(Receiving, func() (err error) {
		wire, err = u.receiver.scope()
		return err
	})
	if err != nil {
		return err
	}
	number := u.progress.scopes.Load()
	scope, err := u.server.Plan.Check(wire, u.server.MaxDepth)
	if err != nil {
		return scopeError(number-1, err)
	}
	if number == 1 {
		u.place.Leave()
	}
	if u.sender.options.moreFollows {
		defer u.receiver.release()
		return u.add(scope)
	}
	before, holds := u.held, u.holds
	u.held, u.holds = scope, true
	if !holds {
		return nil
	}
	return u.add(before)
}

// onLargeStack runs work of the reader or of an event. The reader's own stack is for waits only.
func (u *upload) onLargeStack(work func() error) error { return u.server.stacks.run(u.ctx, work) }

// waiting releases the lock while wait waits. The reader does so nowhere else.
func (u *upload) waiting(in Phase, wait func() error) error {
	u.mu.Unlock()
	defer u.mu.Lock()
	u.progress.enter(in)
	defer u.progress.enter(Encoding)
	return wait()
}

// begin receives and checks the metadata, admits the upload and sends its ID to the client.
func (u *upload) begin() error {
	md := &symdbv1.UploadMetadata{}
	err := u.waiting(Receiving, func() error {
		defer u.receiver.release()
		wire, err := u.receiver.metadata()
		if err == nil && proto.Unmarshal(wire, md) != nil {
			err = metadataInvalid("metadata", "malformed protobuf or invalid UTF-8")
		}
		return err
	})
	if err != nil {
		return err
	}
	header, options, err := readMetadata(md, u.server.MaxDepth)
	u.progress.header.Store(header) // even if it is invalid, for the log
	if err != nil {
		return err
	}
	u.progress.begin(options.firstBatchNum)
	u.sender.begin(header, options)
	if u.timeLeft() <= 0 {
		u.End(ErrConnectionAge)
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
	u.begun.Store(true)
	if u.server.hasStopped() {
		u.End(ErrShuttingDown)
	}
	return nil
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

// complete adds the scope that was held back, and compresses the last batch. Few uploads do so
// at a time: when thousands of quiet ones end together, their batches must not all be unpacked
// before the first is compressed.
func (u *upload) complete() error {
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
	return u.onLargeStack(func() error {
		if u.holds {
			if err := u.add(u.held); err != nil {
				return err
			}
		}
		if err := u.resume(); err != nil {
			return u.endEarly(err)
		}
		u.batches.Compress()
		return nil
	})
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
	u.End(cause)
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

// sealAndPost seals the open batch, and posts it once the batch before it is accepted. It
// waits for the last batch to be accepted. If thousands of uploads end together, most wait
// for a connection to the intake, and a goroutine each would be for nothing.
func (u *upload) sealAndPost(last bool) error {
	var b *batch.Sealed
	var age time.Duration
	err := u.onLargeStack(func() (err error) {
		b, age, err = u.seal()
		return err
	})
	if err != nil {
		return u.endEarly(err)
	}
	err = u.waiting(WaitingForTurn, func() error { return u.sender.acquire(u.ctx) })
	if err != nil {
		u.sender.drop(b.Body, false)
		return err
	}
	var post func()
	err = u.onLargeStack(func() error {
		post = u.sender.number(b, age, last)
		return nil
	})
	switch {
	case err != nil:
		return err
	case last:
		return u.waiting(Finishing, func() error {
			post()
			return nil
		})
	}
	u.server.goroutines.Go(post)
	return nil
}

// finish forwards the last batch and waits until the intake has accepted it. It fails if the
// client's credential was revoked meanwhile.
func (u *upload) finish() error {
	if u.progress.scopes.Load() == 0 {
		return u.receiver.invalid("required: an upload has at least one scope")
	}
	if err := u.server.Access.Revoked(u.grant); err != nil {
		return u.endEarly(err)
	}
	if err := u.complete(); err != nil {
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
