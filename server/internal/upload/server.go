package upload

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/mem"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/access"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/logs"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/spool"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

// Config holds the limits of a stream.
type Config struct {
	// MaxBatchBytes and MaxBatchRawBytes limit a stream that is a single batch: its
	// compressed size, and the length of its JSON.
	MaxBatchBytes    int
	MaxBatchRawBytes int64
	// MaxBatchAge is how long a batch may stay open. 0: as long as the stream.
	MaxBatchAge time.Duration
	// MaxStreamAge is how long a stream may last. One that is older when its metadata arrives ends
	// then. 0: forever.
	MaxStreamAge time.Duration
	// MaxScopeBytes limits the protobuf size of a scope, MaxMetadataBytes that of the
	// metadata.
	MaxScopeBytes, MaxMetadataBytes int
	// MaxDepth limits how deep messages are nested in a scope. The root counts as 1.
	MaxDepth int
	// FirstMessageTimeout is how long a stream may be open without a message.
	FirstMessageTimeout time.Duration
	// IdleTimeout is how long the server waits in all for a client that sends less
	// than MinBytesPerSecond. 0: forever.
	IdleTimeout       time.Duration
	MinBytesPerSecond int
	// SettleTime is how long a stream that ends early waits for the batch that is being
	// posted, and at a shutdown for the metadata.
	SettleTime time.Duration
}

// Dependencies are shared by all streams.
type Dependencies struct {
	Logger      *slog.Logger
	LimitedLog  *logs.Limiter // for lines that may be many
	Plan        *transcode.Plan
	Compressors *encode.Pool
	Policy      batch.Policy
	Budget      *memory.Budget
	Buffers     mem.BufferPool // of received messages
	Spool       *spool.Spool   // nil: there is none
	Access      *access.Access
	Tracer      Tracer
	Observer    Observer
	// Offer takes ownership of a batch that the intake has accepted.
	Offer func(*access.Grant, *batch.Batch)
}

// Observer observes what [Counts] can't show. Many goroutines call its methods, which must
// not block.
type Observer interface {
	// BatchNumbered is called with each sealed batch when it gets its number, and with
	// how long it was open. It is not called for the parts of a split batch.
	BatchNumbered(b *batch.Batch, age time.Duration)
	// BatchForwarded is called with the time that forwarding a batch took, including
	// retries and waits.
	BatchForwarded(accepted bool, took time.Duration)
	// UploadEnded is called once for each stream.
	UploadEnded(End)
}

// Server serves upload streams. It implements symdb.v1.SymbolDatabaseService.
type Server struct {
	symdbv1.UnimplementedSymbolDatabaseServiceServer
	Config
	Dependencies
	// Counts are totals of all streams.
	Counts Counts

	stacks     stacks // for work
	reading    stacks // for reading messages, which may wait, and needs less of a stack
	goroutines sync.WaitGroup
	completing chan struct{} // one for each upload in complete
	packer     *packer

	spoolFailure atomic.Pointer[SpoolFailure]

	mu      sync.Mutex
	streams map[*upload]struct{} // open ones
	stopped bool                 // set by Stop: new streams end at once
}

// New returns a server.
func New(cfg Config, with Dependencies) *Server {
	s := &Server{
		Config: cfg, Dependencies: with, streams: map[*upload]struct{}{},
		completing: make(chan struct{}, 2*runtime.GOMAXPROCS(0)),
		packer:     newPacker(),
	}
	s.stacks, s.reading = newStacks(s), newStacks(s)
	return s
}

// start returns the upload of a stream, or a status if its client is gone.
func (s *Server) start(rpc uploadStream) (u *upload, err error) {
	ctx := rpc.Context()
	err = s.stacks.run(ctx, func() (err error) {
		opening := openingOf(ctx)
		if opening == nil || !opening.claim() {
			return Status(context.Cause(ctx), nil)
		}
		u = &upload{Opening: opening, rpc: rpc}
		u.progress.start(&s.Counts)
		err = u.receiver.start(ctx, u)
		u.sender.start(u)
		first, _ := u.checkPace()
		u.clock, u.clockAt = time.AfterFunc(first, u.handle), time.Now().Add(first)
		u.upload.Store(u)
		u.register()
		return err
	})
	return u, err
}

// register adds the stream to the open ones. close removes it.
func (u *upload) register() {
	s := u.server
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[u] = struct{}{}
	if s.stopped {
		u.stop()
	}
}

// stop ends the stream because the server is stopping. If the metadata may still arrive, it
// has a moment to do so: without it there is no progress, and the client would start over.
func (u *upload) stop() {
	if u.begun.Load() {
		u.End(ErrShuttingDown)
		return
	}
	time.AfterFunc(u.server.SettleTime, func() { u.End(ErrShuttingDown) })
}

// hasStopped reports whether Stop was called.
func (s *Server) hasStopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// InFlight returns how many streams are open.
func (s *Server) InFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.streams)
}

func (s *Server) list() []*upload {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.AppendSeq(make([]*upload, 0, len(s.streams)), maps.Keys(s.streams))
}

// EndRevoked ends the streams whose credentials are no longer valid.
func (s *Server) EndRevoked() {
	for _, u := range s.list() {
		if err := s.Access.Revoked(u.grant); err != nil {
			u.End(err)
		}
	}
}

// Stop ends all open and later streams with [ErrShuttingDown]. Batches that are being
// posted get SettleTime.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for u := range s.streams {
		u.stop()
	}
}

// Wait waits until all goroutines of streams have ended.
func (s *Server) Wait() {
	s.goroutines.Wait()
	s.packer.stop()
	s.stacks.close()
	s.reading.close()
}

// SpoolFailure is an error of the spool, other than that it is full.
type SpoolFailure struct {
	At  time.Time
	Err error
}

// SpoolFailure returns the last failure, or nil if there was none.
func (s *Server) SpoolFailure() *SpoolFailure { return s.spoolFailure.Load() }

// noteSpool counts and logs an error of the spool. A full spool is counted only.
func (s *Server) noteSpool(err error) {
	switch {
	case err == nil:
	case errors.Is(err, spool.ErrFull):
		s.Counts.SpoolFull.Add(1)
	default:
		s.Counts.SpoolFailed.Add(1)
		s.spoolFailure.Store(&SpoolFailure{At: time.Now(), Err: err})
		s.LimitedLog.Warn("spool failed", slog.String("error", err.Error()))
	}
}

// Recovered logs a panic with its stack, and returns an error to show to the client.
func (s *Server) Recovered(ctx context.Context, panicked any) error {
	s.Logger.ErrorContext(ctx, "panic in a handler",
		slog.Any("panic", panicked), slog.String("stack", string(debug.Stack())))
	return errInternal
}

// catch must be deferred. It turns a panic into an error for fail.
func (s *Server) catch(ctx context.Context, fail func(error)) {
	if panicked := recover(); panicked != nil {
		fail(s.Recovered(ctx, panicked))
	}
}
