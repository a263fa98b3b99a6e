package server

import (
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/access"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/connlimit"
	"github.com/scopegate/scopegate/server/internal/frames"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

// uploadIDHeader tells the client its upload's identity before the first scope.
const uploadIDHeader = "scopegate-upload-id"

type uploadStream = grpc.ClientStreamingServer[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse]

// UploadScopes serves one stream of an upload: the whole of it, or a part.
//
// The stream runs beside its handler, because a read from a client that sends
// nothing ends only when the handler returns. The handler itself does next to
// nothing, as gRPC has already used up most of the smallest stack.
func (s *service) UploadScopes(rpc uploadStream) error {
	u := openingOf(rpc.Context()).upload
	if u == nil || !u.unclaimed() {
		return publicStatus(rpc.Context().Err(), nil)
	}
	s.streams.Go(func() { u.outcome <- u.run(rpc) })
	select {
	case err := <-u.outcome:
		if errors.Is(err, errClosed) { // by who is about to interrupt it
			return u.giveBack(rpc)
		}
		return u.answer(rpc, err)
	case <-u.interrupted:
		<-u.ready
		return u.giveBack(rpc)
	}
}

// newUpload returns the upload of a stream that is opened and holds so many bytes. Its
// handler runs it; without one it has to leave.
func newUpload(s *service, bytes int) *upload {
	u := &upload{
		service: s, outcome: make(chan error, 1),
		ready: make(chan struct{}), begun: make(chan struct{}), interrupted: make(chan struct{}),
	}
	u.account = s.budget.Open(bytes, u.obey)
	u.account.Attribute(frames.OpenBytes)
	return u
}

// streamBytes is for a stream beside what package frames draws for its connection, as
// measured with `make loadtest`: what runs beside gRPC's goroutine.
const streamBytes = 8 << 10

// upload is one stream in flight.
type upload struct {
	service *service
	grant   access.Grant    // on which it was taken
	conn    *connlimit.Conn // that it uses; nil: not yet
	account *memory.Account // of what the stream holds
	stay    *stay           // among the uploads without a scope
	// unclaimed has the upload not leave by itself, and tells that it had not.
	unclaimed func() bool

	stream   stream
	delivery *delivery
	standing standing
	age      age
	clock    *time.Timer
	outcome  chan error  // what run has returned
	ended    atomic.Bool // the clock is not to be set again
	// ready is closed, by open, when what the stream needs is set up, and begun, by
	// begin, when the metadata is known and in order.
	ready, begun chan struct{}
	// interrupted is closed, by interrupt, when reason is set.
	interrupted chan struct{}
	reason      atomic.Pointer[error]

	// mu is held by run but while it waits for the client, so that an aged batch
	// is sealed between two scopes.
	mu      sync.Mutex
	header  *batch.Header // nil: not yet told
	batches *batch.Assembler
	options streamOptions
	opened  time.Time // the open batch
	counted int64     // bytes received that were entered in the metrics
}

// giveBack answers the client of a stream that was interrupted with why, unless
// the intake turns out to have accepted all of it.
func (u *upload) giveBack(rpc uploadStream) error {
	if errors.Is(*u.reason.Load(), errShuttingDown) && u.endsUnbegun() {
		return u.answer(rpc, <-u.outcome)
	}
	u.delivery.halt(u.service.settle)
	if u.delivery.complete {
		return u.answer(rpc, <-u.outcome)
	}
	u.mu.Lock() // the stream may just have begun
	defer u.mu.Unlock()
	return u.answer(rpc, *u.reason.Load())
}

// endsUnbegun waits for the metadata, which may be on its way: without it there is
// no progress, and the client would begin its upload anew. It tells whether run ends
// without.
func (u *upload) endsUnbegun() bool {
	timer := time.NewTimer(u.service.settle)
	defer timer.Stop()
	select {
	case <-u.begun:
	case err := <-u.outcome:
		u.outcome <- err
		return !errors.Is(err, errClosed)
	case <-timer.C:
	}
	return false
}

// answer tells the client, the log and the metrics what became of the stream.
func (u *upload) answer(rpc uploadStream, err error) error {
	var public error
	if err != nil {
		public = publicStatus(err, u.delivery.progress())
	}
	code, why := status.Code(public), reasonOf(public)
	u.tellEnd(code, why, err)
	u.recordEnd(code, why, err)
	if public != nil {
		return public
	}
	return rpc.SendAndClose(u.delivery.summary())
}

// run is a stream's whole way, from its metadata to the last batch. It returns
// when the intake has accepted that, or with what went wrong.
func (u *upload) run(rpc uploadStream) (err error) {
	unanswerable := u.open(rpc)
	defer u.close(&err)
	defer u.service.catch(rpc.Context(), &err)
	if unanswerable != nil {
		return unanswerable
	}
	md, err := u.stream.metadata()
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()

	if err := u.begin(md); err != nil {
		return err
	}
	return u.pass()
}

// pass takes the stream's scopes, one after the other, to the intake. The newest is
// held back until the next one or the end of the stream is there, so that the last
// batch, the final one, always has a scope.
func (u *upload) pass() error {
	held, err := u.next()
	if errors.Is(err, io.EOF) {
		return u.stream.invalid("required: an upload has at least one scope")
	}
	u.stay.leave()
	for err == nil {
		var next transcode.Checked
		switch next, err = u.next(); {
		case errors.Is(err, io.EOF):
			return u.finish(held)
		case err == nil:
			err = u.add(held)
		}
		held = next
		if err == nil && u.batches.Full() {
			err = u.forward()
		}
	}
	return err
}

// open sets up what the stream needs before its metadata is known.
func (u *upload) open(rpc uploadStream) error {
	defer close(u.ready)
	s := u.service
	u.standing.totals = &s.activity.Totals
	u.stream.begin(rpc, s.config, u.account, &u.standing)
	u.delivery = newDelivery(rpc.Context(), s, u.grant, &u.standing, u.interrupted, u.interrupt)
	u.age = newAge(s.config.MaxBatchAge, u.forwardAged)
	u.startClock()
	s.uploads.add(u)
	return grpcwire.AnswerPlain(rpc.Context())
}

// begin checks the metadata and tells the client the upload's identity.
func (u *upload) begin(md *symdbv1.UploadMetadata) error {
	header, options, err := readMetadata(md)
	if err != nil {
		u.header = header // whose it says it is
		return err
	}
	policy := u.service.policy
	policy.Learned = u.grant.Learned
	if options.singleBatch {
		policy = batch.Policy{FlushThresholdBytes: math.MaxInt}
	}
	defer close(u.begun)
	u.header, u.options = header, options
	u.standing.header.Store(header)
	u.standing.open.Store(options.firstBatchNum)
	u.delivery.begin(header.UploadID, options)
	if u.timeLeft() <= 0 {
		u.interrupt(errConnectionAge)
	}
	u.service.tracing.describe(u.stream.rpc.Context(), header, options)
	if err := u.account.Admit(header.Service, heldBytes(header)); err != nil {
		return fmt.Errorf("admit upload: %w", err)
	}
	if err := u.service.access.Claim(u.grant, header); err != nil {
		return err
	}
	u.conn = grpcwire.ConnOf(u.stream.rpc.Context())
	u.conn.Use()
	u.batches = batch.NewAssembler(header, policy, u.service.compressors, u.account)
	if err := u.stream.rpc.SendHeader(metadata.Pairs(uploadIDHeader, header.UploadID)); err != nil {
		return fmt.Errorf("send header: %w", grpcwire.Gone(u.stream.rpc.Context(), err))
	}
	return nil
}

// next receives the next scope and checks it.
func (u *upload) next() (transcode.Checked, error) {
	wire, err := u.receive()
	if err != nil {
		return transcode.Checked{}, err
	}
	scope, err := u.service.plan.Check(wire, u.service.config.MaxDepth)
	if err != nil {
		return transcode.Checked{}, scopeError(u.stream.scopes.Load()-1, err)
	}
	return scope, nil
}

// receive waits for the client, and for memory before and after that. It lets
// others at the open batch meanwhile.
func (u *upload) receive() ([]byte, error) {
	u.mu.Unlock()
	defer u.standing.enter(phaseEncoding)
	defer u.mu.Lock()
	ctx := u.stream.rpc.Context()
	u.standing.enter(phaseMemory)
	if err := u.account.Wait(ctx); err != nil {
		return nil, fmt.Errorf("wait for memory: %w", err)
	}
	u.standing.enter(phaseReceiving)
	u.account.Receiving(true)
	wire, err := u.stream.next()
	u.account.Receiving(false)
	if err != nil {
		return nil, err
	}
	if u.service.budget.Exceeded() && grpcwire.Compressed(ctx) {
		return nil, errMemory
	}
	u.standing.enter(phaseMemory)
	if err := u.account.Wait(ctx); err != nil {
		return nil, fmt.Errorf("wait for memory: %w", err)
	}
	return wire, nil
}

// add puts a scope into the open batch.
func (u *upload) add(scope transcode.Checked) error {
	if u.batches.Empty() {
		u.age.begin()
		u.opened = time.Now()
	}
	if err := u.batches.Resume(); err != nil {
		return fmt.Errorf("%w: %w", errMemory, err)
	}
	u.batches.Add(scope)
	u.standing.grow(u.batches)
	u.stream.releaseOlder()
	if u.options.singleBatch {
		return u.checkSingleBatch()
	}
	return nil
}

// checkSingleBatch fails where the open batch, which no threshold ends, is too large.
func (u *upload) checkSingleBatch() error {
	most := batch.Limits{CompressedBytes: u.service.config.MaxBatchBytes}
	if u.batches.CompressedBytes() > most.CompressedBytes {
		return batchTooLarge(most)
	}
	if raw := u.service.config.MaxBatchRawBytes; u.batches.RawBytes() > raw {
		return batchTooLarge(batch.Limits{RawBytes: raw})
	}
	return nil
}

// forward seals the open batch, which is not the last one, and sends it on its
// way, once the batch before it is accepted.
func (u *upload) forward() error {
	if err := u.batches.Resume(); err != nil {
		return fmt.Errorf("%w: %w", errMemory, err)
	}
	return u.send(false)
}

// send seals the open batch, and sends it on its way.
func (u *upload) send(last bool) error {
	u.countReceived()
	return u.delivery.send(u.batches.Seal(), time.Since(u.opened), last)
}

// countReceived enters what was received since it was called last.
func (u *upload) countReceived() {
	received := u.standing.receivedBytes.Load()
	u.service.metrics.BytesReceived.Add(float64(received - u.counted))
	u.counted = received
}

// finish forwards the stream's last batch, with the scope that was held back, and
// waits until the intake has accepted it. It is the final batch unless another
// stream follows. An upload whose client has just lost its right to it is not
// brought to its end.
func (u *upload) finish(held transcode.Checked) error {
	if err := u.service.access.Revoked(u.grant); err != nil {
		u.interrupt(err) // what is on its way comes to its end
	}
	if err := u.add(held); err != nil {
		return err
	}
	if err := u.send(true); err != nil {
		return err
	}
	return u.delivery.wait()
}

// forwardAged forwards the open batch though it is not full, unless the upload
// is at work or the batch before is still on its way: then it looks again soon.
func (u *upload) forwardAged() {
	if !u.mu.TryLock() {
		u.age.again()
		return
	}
	defer u.mu.Unlock()
	if u.batches == nil || u.batches.Empty() || u.options.singleBatch {
		return
	}
	if u.delivery.busy() {
		u.age.again()
		return
	}
	if err := u.forward(); errors.Is(err, errMemory) {
		// It is still in the spool. Any other error is the delivery's, and kept there.
		u.service.noteSpool(u.stream.rpc.Context(), err)
		u.age.begin()
	}
}

// close ends what the stream still has on its way, gives back what it holds, and
// enters in the ledger what became of its scopes.
func (u *upload) close(err *error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.service.uploads.remove(u)
	u.ended.Store(true)
	u.clock.Stop()
	u.age.stop()
	u.delivery.stop()
	u.stream.release()
	if u.batches != nil {
		u.batches.Discard()
	}
	u.conn.Release()
	u.leave()
	u.countReceived()
	u.enter(*err)
}

// leave gives back what the stream was given when it was opened.
func (u *upload) leave() {
	if u.stay != nil {
		u.stay.leave()
	}
	u.account.Attribute(-frames.OpenBytes)
	u.account.Close()
	u.service.access.Leave(u.grant)
}

// enter enters in the ledger what became of the stream's scopes.
func (u *upload) enter(err error) {
	received := u.stream.scopes.Load()
	rest := float64(received - u.delivery.acceptedScopes)
	ledger := u.service.ledger
	ledger.ScopesReceived.Add(float64(received))
	ledger.ScopesAccepted.Add(float64(u.delivery.acceptedScopes))
	if permanent(err) {
		ledger.ScopesRefused.Add(rest)
	} else {
		ledger.ScopesGivenBack.Add(rest)
	}
}
