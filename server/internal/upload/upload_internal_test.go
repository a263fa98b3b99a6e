package upload

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/memory"
)

func accept(context.Context, *batch.Batch) error { return nil }

// slow is an intake that takes each batch when it is told to.
type slow struct{ arrived, take chan *batch.Batch }

func newSlow() slow { return slow{make(chan *batch.Batch), make(chan *batch.Batch)} }

func (s slow) forward(ctx context.Context, b *batch.Batch) error {
	select {
	case s.arrived <- b:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-s.take:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// locked does something with an upload while its reader waits.
func (u *upload) locked(do func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	do()
}

// awaitScope returns when the open batch has a scope.
func (u *upload) awaitScope(t *testing.T) {
	t.Helper()
	await(t, "a scope in the batch", func() (ok bool) { u.locked(func() { ok = !u.batches.Empty() }); return ok })
}

// growOld makes the open batch too old, and handles that.
func (u *upload) growOld(t *testing.T) {
	t.Helper()
	u.awaitScope(t)
	u.locked(func() { u.tooOldAt = time.Now() })
	u.handle()
}

// failingStore is a spool whose first reads fail.
type failingStore struct {
	mu       sync.Mutex
	blocks   [][]byte
	failures int
}

func (s *failingStore) Put(block []byte) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks = append(s.blocks, append([]byte(nil), block...))
	return int64(len(s.blocks) - 1), nil
}

func (s *failingStore) ReadAt(b []byte, id int64, offset int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures > 0 {
		s.failures--
		return errors.New("the disk fails")
	}
	copy(b, s.blocks[id][offset:])
	return nil
}

func (*failingStore) Free(int64) {}

// A batch that is too old, and can't be read back from the spool for a while, is forwarded
// once it can, though its client sends nothing more.
func TestAgedBatchIsTriedAgain(t *testing.T) {
	t.Parallel()
	posted := make(chan *batch.Batch, 2)
	s := serve(t, func(_ context.Context, b *batch.Batch) error { posted <- b; return nil }, func(c *Config) { c.MaxBatchAge = time.Hour })
	stream := s.begin(t)
	stream.send(t, 2)
	u := stream.upload
	u.awaitScope(t)
	u.locked(func() {
		if err := u.batches.Park(&failingStore{failures: 3}); err != nil {
			t.Error(err)
		}
		s.MaxBatchAge = time.Millisecond
		u.tooOldAt = time.Now()
	})
	u.wakeUp()
	receive(t, posted, "the batch to be forwarded")
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Error(err)
	}
	if failed, logged := s.Counts.SpoolFailed.Load(), s.log.Count("the disk fails"); failed != 3 || logged == 0 {
		t.Errorf("%d failures are counted and %d logged, want 3 and some", failed, logged)
	}
	if last := s.SpoolFailure(); last == nil || last.Err == nil {
		t.Errorf("the last failure is %v, want that of the disk", last)
	}
}

// A batch that grows too old while the one before travels goes out as soon as that has
// landed, though its client sends nothing more.
func TestAgedBatchBehindAnother(t *testing.T) {
	t.Parallel()
	intake := newSlow()
	s := serve(t, intake.forward, func(c *Config) { c.MaxBatchAge = time.Hour })
	stream := s.begin(t)
	stream.send(t, 2)
	u := stream.upload
	u.growOld(t)
	receive(t, intake.arrived, "the first batch")
	stream.send(t, 1)
	u.growOld(t)
	for want := range int32(2) {
		if got := u.progress.acceptedBatches.Load(); got != want {
			t.Errorf("%d batches are accepted, want %d", got, want)
		}
		intake.take <- nil
		receive(t, intake.arrived, "the next batch")
		if want == 0 {
			if err := stream.CloseSend(); err != nil {
				t.Fatal(err)
			}
		}
	}
	intake.take <- nil
	if summary, err := stream.CloseAndRecv(); err != nil || summary.GetBatchCount() != 3 {
		t.Errorf("%v, %v, want 3 batches", summary, err)
	}
}

// A batch that travels when the stream has to end may land; what its client is told is
// how far the intake came.
func TestEndWhileABatchTravels(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		cause error
		want  Reason
	}{
		"too slow":      {ErrTooSlow, ReasonTooSlow},
		"shutting down": {ErrShuttingDown, ReasonShuttingDown},
		"out of memory": {ErrMemory, ReasonOverloaded},
		"too old":       {ErrConnectionAge, ReasonConnectionAge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			intake := newSlow()
			s := serve(t, intake.forward, func(c *Config) { c.MaxBatchAge = time.Hour })
			stream := s.begin(t)
			stream.send(t, 2)
			stream.upload.growOld(t)
			receive(t, intake.arrived, "a batch")
			stream.upload.End(test.cause)
			stream.upload.End(errors.New("a later cause"))
			intake.take <- nil
			end := s.awaitEnd(t)
			if end.Reason != test.want || end.AcceptedScopes != 1 || end.Scopes != 2 {
				t.Errorf("%s, %d of %d scopes accepted; want %s, 1 of 2", end.Reason, end.AcceptedScopes, end.Scopes, test.want)
			}
			_, err := stream.CloseAndRecv()
			for _, detail := range status.Convert(err).Details() {
				if progress, ok := detail.(*symdbv1.UploadProgress); ok {
					if progress.GetAcceptedScopeCount() != 1 || progress.GetNextBatchNum() != 2 {
						t.Errorf("%v, want 1 scope accepted and batch 2 next", progress)
					}
					return
				}
			}
			t.Errorf("%v has no progress", err)
		})
	}
}

// sendLastBatch sends an upload of one scope, and returns while the last batch is at the intake.
func sendLastBatch(t *testing.T, change func(*Config)) (*served, sending, slow) {
	t.Helper()
	intake := newSlow()
	s := serve(t, intake.forward, change)
	stream := s.begin(t)
	stream.send(t, 1)
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	receive(t, intake.arrived, "the last batch")
	return s, stream, intake
}

// stopAtLastBatch is sendLastBatch that stops the server then.
func stopAtLastBatch(t *testing.T, change func(*Config)) (*served, sending, slow) {
	t.Helper()
	s, stream, intake := sendLastBatch(t, change)
	s.Stop()
	return s, stream, intake
}

// A batch that has not landed in time is broken off.
func TestEndBreaksOff(t *testing.T) {
	t.Parallel()
	s, _, _ := stopAtLastBatch(t, func(c *Config) { c.SettleTime = time.Millisecond })
	if end := s.awaitEnd(t); end.Reason != ReasonShuttingDown || end.AcceptedScopes != 0 {
		t.Errorf("%s, %d scopes accepted; want %s, none", end.Reason, end.AcceptedScopes, ReasonShuttingDown)
	}
}

// A stream that has to end between two scopes ends, wherever that meets its reader.
func TestEndBetweenScopes(t *testing.T) {
	t.Parallel()
	s := serve(t, accept, nil)
	s.Policy.FlushThresholdBytes = 0 // each scope is a batch
	for range 20 {
		stream := s.begin(t)
		go stream.upload.End(ErrTooSlow)
		for range 2 {
			scope := &symdbv1.Scope{ScopeType: "package", Name: new("main")}
			_ = stream.Send(&symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Scope{Scope: scope}})
		}
		if end := s.awaitEnd(t); end.Reason != ReasonTooSlow {
			t.Errorf("%s, want %s", end.Reason, ReasonTooSlow)
		}
		await(t, "it to be closed", func() bool { return s.InFlight() == 0 })
	}
}

// After a batch has failed, no later batch is posted, even if the reader has not yet seen
// that the stream ends. A later batch would get the failed one's number.
func TestNothingIsPostedBehindAFailedBatch(t *testing.T) {
	t.Parallel()
	posted, fail := make(chan *batch.Batch, 2), make(chan error)
	s := serve(t, func(_ context.Context, b *batch.Batch) error {
		posted <- b
		return <-fail
	}, func(c *Config) { c.MaxBatchAge = time.Hour })
	stream := s.begin(t)
	stream.send(t, 2)
	u := stream.upload
	u.growOld(t)
	receive(t, posted, "the first batch")
	stream.send(t, 1)
	u.awaitScope(t)
	u.locked(func() {
		fail <- errors.New("the intake fails")
		await(t, "the turn", func() bool { return len(u.sender.idle) == 1 })
		if err := u.tryForward(); err != nil {
			t.Error(err)
		}
		if len(u.sender.idle) != 1 || u.batches.Empty() {
			t.Error("the open batch was sealed and posted, want it left")
		}
	})
	if end := s.awaitEnd(t); end.Code != codes.Internal || end.AcceptedScopes != 0 {
		t.Errorf("%s, %d scopes accepted; want %s, none", end.Code, end.AcceptedScopes, codes.Internal)
	}
}

// A panic while a batch is being posted ends the stream, both in the reader and in an event.
func TestPanicAtPosting(t *testing.T) {
	t.Parallel()
	for name, post := range map[string]func(*testing.T, sending){
		"the reader": func(_ *testing.T, stream sending) { _ = stream.CloseSend() },
		"an event":   func(t *testing.T, stream sending) { t.Helper(); stream.upload.growOld(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, accept, func(c *Config) { c.MaxBatchAge = time.Hour })
			s.numbered = func(*batch.Batch) { panic("at posting") }
			stream := s.begin(t)
			stream.send(t, 2)
			post(t, stream)
			if end := s.awaitEnd(t); end.Code != codes.Internal {
				t.Errorf("%s, want %s", end.Code, codes.Internal)
			}
			await(t, "it to be closed", func() bool { return s.InFlight() == 0 })
		})
	}
}

// When a batch can't be read back from the spool, the stream ends, but only after the batch
// being posted. So its client learns whether that one was accepted.
func TestSpoolFailsWhileABatchIsPosted(t *testing.T) {
	t.Parallel()
	intake := newSlow()
	s := serve(t, intake.forward, func(c *Config) { c.MaxBatchAge = time.Hour })
	stream := s.begin(t)
	stream.send(t, 2)
	u := stream.upload
	u.growOld(t)
	receive(t, intake.arrived, "the first batch")
	stream.send(t, 1)
	u.awaitScope(t)
	u.locked(func() {
		if err := u.batches.Park(&failingStore{failures: 1000}); err != nil {
			t.Error(err)
		}
	})
	stream.send(t, 1)
	await(t, "the stream to end", func() bool { return u.ctx.Err() != nil })
	intake.take <- nil
	if end := s.awaitEnd(t); end.Reason != ReasonOverloaded || end.AcceptedScopes != 1 {
		t.Errorf("%s, %d scopes accepted; want %s, 1", end.Reason, end.AcceptedScopes, ReasonOverloaded)
	}
	_, err := stream.CloseAndRecv()
	for _, detail := range status.Convert(err).Details() {
		if progress, ok := detail.(*symdbv1.UploadProgress); ok && progress.GetAcceptedScopeCount() == 1 {
			return
		}
	}
	t.Errorf("%v, want the progress of 1 scope", err)
}

// A stream that another one follows holds no scope back: it has no final batch to keep one for.
func TestNothingIsHeldBackIfMoreFollows(t *testing.T) {
	t.Parallel()
	posted := make(chan *batch.Batch, 3)
	s := serve(t, func(_ context.Context, b *batch.Batch) error { posted <- b; return nil }, nil)
	s.Policy.FlushThresholdBytes = 0 // each scope is a batch
	stream := s.beginWith(t, func(md *symdbv1.UploadMetadata) { md.MoreFollows = true })
	for num := int32(1); num <= 3; num++ {
		stream.send(t, 1)
		if b := receive(t, posted, "the batch of the scope"); b.Num != num || b.Final {
			t.Errorf("batch %d, final %v; want %d, not final", b.Num, b.Final, num)
		}
	}
	summary, err := stream.CloseAndRecv()
	if err != nil || summary.GetScopeCount() != 3 || summary.GetBatchCount() != 3 {
		t.Errorf("%v, error %v; want 3 scopes in 3 batches", summary, err)
	}
}

// An upload may ask for a lower age than the server's, and not for a higher one.
func TestMaxBatchAge(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ server, own, want time.Duration }{
		{0, 0, 0},
		{time.Minute, 0, time.Minute},
		{0, time.Second, time.Second},
		{time.Minute, time.Second, time.Second},
		{time.Second, time.Minute, time.Second},
	} {
		u := &upload{Opening: &Opening{server: &Server{Config: Config{MaxBatchAge: tt.server}}}}
		u.sender.options.maxBatchAge = tt.own
		if got := u.maxBatchAge(); got != tt.want {
			t.Errorf("server %v, upload %v: %v, want %v", tt.server, tt.own, got, tt.want)
		}
	}
}

// A reader that waits for the batch before stops waiting when its stream has to end, and
// the batch that it has sealed is given back.
func TestEndWhileWaitingForTurn(t *testing.T) {
	t.Parallel()
	intake := newSlow()
	s := serve(t, intake.forward, func(c *Config) { c.SettleTime = time.Millisecond })
	s.Policy.FlushThresholdBytes = 0 // each scope is a batch
	stream := s.begin(t)
	stream.send(t, 3)
	receive(t, intake.arrived, "the first batch")
	await(t, "the reader to wait", func() bool { return Phase(stream.upload.progress.phase.Load()) == WaitingForTurn })
	stream.upload.End(ErrTooSlow)
	if end := s.awaitEnd(t); end.Reason != ReasonTooSlow {
		t.Errorf("%s, want %s", end.Reason, ReasonTooSlow)
	}
	await(t, "it to be closed", func() bool { return s.InFlight() == 0 })
	if got := s.Counts.BatchesGivenBack.Load(); got != 2 {
		t.Errorf("%d batches are given back, want 2", got)
	}
}

// An upload that is asked to hold less, and has no spool, forwards its open batch.
func TestPressure(t *testing.T) {
	t.Parallel()
	posted := make(chan *batch.Batch, 2)
	s := serve(t, func(_ context.Context, b *batch.Batch) error { posted <- b; return nil }, nil)
	stream := s.begin(t)
	stream.send(t, 2)
	u := stream.upload
	u.awaitScope(t)
	u.onPressure(memory.Squeeze)
	if b := receive(t, posted, "the batch"); b.Num != 1 || b.Final || b.ScopeCount != 1 {
		t.Errorf("batch %d, final %v, %d scopes; want 1, false, 1", b.Num, b.Final, b.ScopeCount)
	}
	u.onPressure(memory.End)
	if end := s.awaitEnd(t); end.Reason != ReasonOverloaded {
		t.Errorf("%s, want %s", end.Reason, ReasonOverloaded)
	}
}

// A panic in an event ends its stream as one in the reader does.
func TestPanicInAnEvent(t *testing.T) {
	t.Parallel()
	s := serve(t, accept, nil)
	stream := s.begin(t)
	stream.upload.locked(func() { stream.upload.receiver.pace.config = nil })
	stream.upload.wakeUp()
	if end := s.awaitEnd(t); end.Code != codes.Internal || s.log.Count("panic in a handler") != 1 {
		t.Errorf("%s, want %s and a line in the log:\n%s", end.Code, codes.Internal, s.log)
	}
}

// A batch that travels is waited for when the server stops, though the reader has ended.
func TestGiveBackWaitsForTheBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upload{Opening: &Opening{}}
		u.ctx, u.cancel = context.WithCancelCause(t.Context())
		u.claimed.Store(true)
		u.End(ErrShuttingDown)
		u.sender.idle = make(chan struct{}, 1) // a batch travels
		told := make(chan error, 1)
		go func() { told <- u.settle(ErrShuttingDown) }()
		synctest.Wait()
		if len(told) != 0 {
			t.Fatal("the client is told before the batch has landed")
		}
		u.sender.release()
		if err := <-told; !errors.Is(err, ErrShuttingDown) {
			t.Errorf("%v, want %v", err, ErrShuttingDown)
		}
	})
}

// A client that has its answer may begin another upload at once: the one before holds
// nothing any more.
func TestNextUpload(t *testing.T) {
	t.Parallel()
	s := serve(t, accept, nil)
	for range maxUploads - 1 {
		s.begin(t)
	}
	for range 3 * maxUploads {
		stream := s.begin(t)
		scope := &symdbv1.Scope{ScopeType: "package", Name: new("main")}
		if err := stream.Send(&symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Scope{Scope: scope}}); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.CloseAndRecv(); err != nil {
			t.Fatal(err)
		}
		if end := s.awaitEnd(t); end.open != maxUploads-1 {
			t.Errorf("%d uploads are open before the client has its answer, want %d", end.open, maxUploads-1)
		}
	}
}

// An upload whose last batch lands though its stream has to end is whole.
func TestLastBatchLandsAtTheEnd(t *testing.T) {
	t.Parallel()
	s, stream, intake := stopAtLastBatch(t, nil)
	intake.take <- nil
	if summary, err := stream.CloseAndRecv(); err != nil || summary.GetScopeCount() != 1 {
		t.Errorf("%v, %v, want 1 scope", summary, err)
	}
	if end := s.awaitEnd(t); end.open != 0 {
		t.Errorf("%d uploads are open before the client has its answer, want none", end.open)
	}
}

// A stream that another one follows is whole, too, if its last batch lands though it has to end: that
// batch may have been sealed before the client ended the stream.
func TestSealedBatchLandsAtTheEnd(t *testing.T) {
	t.Parallel()
	intake := newSlow()
	s := serve(t, intake.forward, func(c *Config) { c.MaxBatchAge = time.Hour })
	stream := s.beginWith(t, func(md *symdbv1.UploadMetadata) { md.MoreFollows = true })
	stream.send(t, 1)
	stream.upload.growOld(t)
	receive(t, intake.arrived, "the batch")
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	await(t, "the reader to finish", func() bool { return Phase(stream.upload.progress.phase.Load()) == Finishing })
	s.Stop()
	intake.take <- nil
	if summary, err := stream.CloseAndRecv(); err != nil || summary.GetScopeCount() != 1 {
		t.Errorf("%v, %v, want 1 scope", summary, err)
	}
}

// While the last batch is posted, the upload holds no message any more.
func TestLastMessageIsFreedBeforeThePost(t *testing.T) {
	t.Parallel()
	_, stream, intake := sendLastBatch(t, nil)
	stream.upload.locked(func() {
		for i := range stream.upload.receiver.messages {
			if bytes := stream.upload.receiver.messages[i].Bytes(); len(bytes) > 0 {
				t.Errorf("a message of %d bytes is held", len(bytes))
			}
		}
	})
	intake.take <- nil
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Error(err)
	}
}

// The intake's client sees the deadline of the upload's client, so that it starts no attempt that the
// deadline would cut off.
func TestIntakeSeesTheDeadline(t *testing.T) {
	t.Parallel()
	seen := make(chan time.Duration, 1)
	s := serve(t, func(ctx context.Context, _ *batch.Batch) error {
		deadline, ok := ctx.Deadline()
		if !ok {
			return errors.New("no deadline")
		}
		seen <- time.Until(deadline)
		return nil
	}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream := s.beginIn(ctx, t, func(*symdbv1.UploadMetadata) {})
	stream.send(t, 1)
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Fatal(err)
	}
	if left := receive(t, seen, "the batch"); left > patience {
		t.Errorf("%v are left, want at most %v", left, patience)
	}
}

// A single batch is measured once more when it is sealed: the JSON that was not compressed before
// counts, too.
func TestSealedSingleBatchIsTooLarge(t *testing.T) {
	t.Parallel()
	posted := make(chan *batch.Batch, 1)
	s := serve(t, func(_ context.Context, b *batch.Batch) error { posted <- b; return nil },
		func(c *Config) { c.MaxBatchBytes = 300 })
	stream := s.beginWith(t, func(md *symdbv1.UploadMetadata) { md.SingleBatch, md.UploadId = true, full().GetUploadId() })
	name := make([]byte, 500)
	_, _ = rand.Read(name)
	stream.sendNamed(t, 1, hex.EncodeToString(name))
	_, err := stream.CloseAndRecv()
	if len(posted) > 0 {
		t.Error("the batch was posted")
	}
	if got, want := OutcomeOf(err), (Outcome{codes.InvalidArgument, ReasonBatchTooLarge}); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

// A stream that must end before it has a handler ends when it has one. Until then its context
// does not, because gRPC would tell the client that its deadline has passed.
func TestEndBeforeTheHandler(t *testing.T) {
	t.Parallel()
	s := serve(t, accept, nil)
	granted, err := s.Access.Admit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	opening := s.Open(t.Context(), granted, StreamBytes)
	ctx, err := opening.Enter(nowhere{}, memory.Source{})
	if err != nil {
		t.Fatal(err)
	}
	opening.End(ErrUnbegun)
	opening.End(ErrMemory)
	if ctx.Err() != nil {
		t.Errorf("%v before it has a handler, want nil", ctx.Err())
	}
	if !opening.claim() || !errors.Is(context.Cause(ctx), ErrUnbegun) {
		t.Errorf("%v once it has one, want %v", context.Cause(ctx), ErrUnbegun)
	}
	opening.Leave()
}

// The notes on a scope whose fields do not ascend are drawn while the scope is held back. serve
// fails the test if they are not given back, whether the scope is posted or not.
func TestNotesAreDrawn(t *testing.T) {
	t.Parallel()
	for name, finish := range map[string]func(sending) error{
		"posted": func(s sending) error { _, err := s.CloseAndRecv(); return err },
		"ended":  func(s sending) error { s.upload.End(ErrShuttingDown); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, accept, nil)
			stream := s.begin(t)
			scope := &symdbv1.Scope{Name: new("main")}
			scope.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "package"))
			for range 2 {
				err := stream.Send(&symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Scope{Scope: scope}})
				if err != nil {
					t.Fatal(err)
				}
			}
			await(t, "the scopes", func() bool { return stream.upload.progress.scopes.Load() == 2 })
			stream.upload.locked(func() {
				if got, want := stream.upload.notesBytes, stream.upload.held.NotesBytes(); got == 0 || got != want {
					t.Errorf("%d bytes are drawn, want %d, and more than 0", got, want)
				}
			})
			if err := finish(stream); err != nil {
				t.Error(err)
			}
			s.awaitEnd(t)
		})
	}
}
