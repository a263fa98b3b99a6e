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

	begun atomic.Bool // the metadata is valid
	clock *time.Timer // calls handle
	// handling is set while a goroutine waits to handle what is due.
	handling atomic.Bool
	refused  bool // the answer is an error that a retry would meet again
	// allNumbered is set once all batches have been numbered, and so posted or being posted.
	allNumbered bool

	// held is the newest scope, which is not in a batch yet, if holds is set.
	held  transcode.Checked
	holds bool
	// notesBytes are drawn for the notes of checked scopes.
	notesBytes int
	// sealed is a batch that was open for sealedAge, until it is posted. It may be nil.
	sealed    *batch.Sealed
	sealedAge time.Duration

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

// UploadScopes serves one stream: a whole upload or a part of one. Its frame and those of the
// functions that it calls on gRPC's own stack are small, see consume.
func (s *Server) UploadScopes(rpc uploadStream) (err error) {
	s.goroutines.Add(1)
	defer s.goroutines.Done()
	defer s.catch(rpc.Context(), func(panicked error) { err = Status(panicked, nil) })
	u, err := s.start(rpc)
	if u == nil {
		return err
	}
	if err == nil {
		err = u.consume()
	}
	return u.end(err)
}

// consume is the reader. It returns nil once the intake has accepted the last batch. An idle
// stream waits here, on gRPC's own stack, which has about 1.3 of its 4 KiB left. So all except
// waits runs on large stacks.
func (u *upload) consume() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	receive, take := u.receiver.receive, u.take // once, because they are allocated
	next := func() error {
		err := u.receiver.await()
		if err == nil {
			err = u.server.reading.run(u.ctx, receive)
		}
		return err
	}
	err := u.waiting(Receiving, next)
	if err == nil {
		err = u.onLargeStack(u.begin)
	}
	for err == nil {
		err = u.waiting(Receiving, next)
		if err == nil {
			err = u.onLargeStack(take)
		}
		if err == nil && u.sealed != nil {
			err = u.post(false)
		}
	}
	if errors.Is(err, io.EOF) {
		return u.finish()
	}
	return err
}

// take takes the scope just received. It adds the one before and holds this one back until the
// next one or the end of the stream arrives, so that the final batch always has a scope. If no
// batch of the stream is final, it adds the scope at once. It seals the batch if it is full.
func (u *upload) take() error {
	u.server.packer.help()
	wire, err := u.receiver.scope()
	if err != nil {
		return err
	}
	number := u.progress.scopes.Load()
	scope, err := u.server.Plan.Check(wire, u.server.MaxDepth)
	if err != nil {
		return scopeError(number-1, err)
	}
	u.drawNotes(scope.NotesBytes())
	if number == 1 {
		u.place.Leave()
	}
	if u.sender.options.moreFollows {
		defer u.receiver.release()
		return u.addAndSeal(scope)
	}
	before, holds := u.held, u.holds
	u.held, u.holds = scope, true
	if !holds {
		return nil
	}
	return u.addAndSeal(before)
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

// begin checks the metadata just received, admits the upload and sends its ID to the client.
func (u *upload) begin() error {
	if err := grpcwire.AnswerPlain(u.rpc.Context()); err != nil {
		return err
	}
	header, options, err := u.readMetadata()
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
	if u.server.hasStopped() { // Stop has let it begin, to get this status
		u.End(ErrShuttingDown)
	}
	return nil
}

// readMetadata reads the metadata just received, and frees its message.
func (u *upload) readMetadata() (*batch.Header, options, error) {
	defer u.receiver.release()
	wire, err := u.receiver.metadata()
	if err != nil {
		return nil, options{}, err
	}
	md := &symdbv1.UploadMetadata{}
	if proto.Unmarshal(wire, md) != nil {
		return nil, options{}, metadataInvalid("metadata", "malformed protobuf or invalid UTF-8")
	}
	header, options, err := readMetadata(md, u.server.MaxDepth)
	u.progress.header.Store(header) // even if it is invalid, for the log
	return header, options, err
}

// drawNotes draws bytes for the notes of a checked scope, or gives them back if negative. Like the
// scope itself, they can't be squeezed.
func (u *upload) drawNotes(bytes int) {
	u.notesBytes += bytes
	u.server.Budget.Draw(bytes)
	u.account.Attribute(bytes)
}

// add puts a scope into the open batch and releases it.
func (u *upload) add(scope transcode.Checked) error {
	defer func() {
		u.drawNotes(-scope.NotesBytes())
		scope.Release()
	}()
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

// addAndSeal adds a scope, and seals the open batch if it is full.
func (u *upload) addAndSeal(scope transcode.Checked) error {
	if err := u.add(scope); err != nil || !u.batches.Full() {
		return err
	}
	return u.sealOpen()
}

// sealOpen seals the open batch for post.
func (u *upload) sealOpen() (err error) {
	u.sealed, u.sealedAge, err = u.seal()
	if err != nil {
		return u.endEarly(err)
	}
	return nil
}

// post posts the sealed batch once the batch before it is accepted. It waits for the stream's
// last batch to be accepted: if thousands of uploads end together, most wait for a connection
// to the intake, and a goroutine each would be for nothing.
func (u *upload) post(last bool) error {
	b := u.sealed
	u.sealed = nil
	err := u.waiting(WaitingForTurn, func() error { return u.sender.acquire(u.ctx) })
	if err != nil {
		u.sender.drop(b.Body, false)
		return err
	}
	var post func()
	err = u.onLargeStack(func() error {
		post = u.sender.number(b, u.sealedAge, last)
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
	if err := u.receiver.end(); err != nil {
		return err
	}
	if err := u.server.Access.Revoked(u.grant); err != nil {
		return u.endEarly(err)
	}
	if err := u.complete(); err != nil {
		return err
	}
	if u.sealed != nil {
		if err := u.post(true); err != nil {
			return err
		}
	}
	u.allNumbered = true
	return u.waiting(Finishing, func() error { return u.sender.waitIdle(u.ctx) })
}

// complete adds the scope that was held back, and compresses and seals the last batch, unless
// it is empty. Few uploads do so at a time: when thousands of quiet ones end together, their
// batches must not all be unpacked before the first is compressed.
func (u *upload) complete() error {
	completing := u.server.completing
	err := u.waiting(Finishing, func() error {
		select {
		case completing <- struct{}{}:
			return nil
		case <-u.ctx.Done():
			return context.Cause(u.ctx)
		}
	})
	if err != nil {
		return err
	}
	defer func() { <-completing }()
	return u.onLargeStack(func() error {
		if u.holds {
			if err := u.add(u.held); err != nil {
				return err
			}
			u.receiver.release() // the last POST may take long
		}
		if u.batches.Empty() {
			return nil
		}
		if err := u.sealOpen(); err != nil {
			return err
		}
		if body := u.sealed.Body; u.sender.options.singleBatch && body.Len() > u.server.MaxBatchBytes {
			u.sender.drop(body, true)
			u.sealed = nil
			return batchTooLarge(batch.Limits{CompressedBytes: u.server.MaxBatchBytes})
		}
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

// checkSingleBatch returns an error if a stream's single batch has become too large. The rest that is
// not compressed yet counts once the batch is sealed.
func (u *upload) checkSingleBatch() error {
	if most := u.server.MaxBatchBytes; u.batches.CompressedBytes() > most {
		return batchTooLarge(batch.Limits{CompressedBytes: most})
	}
	if most := u.server.MaxBatchRawBytes; u.batches.RawBytes() > most {
		return batchTooLarge(batch.Limits{RawBytes: most})
	}
	return nil
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
