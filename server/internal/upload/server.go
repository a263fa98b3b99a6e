package upload

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/access"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/spool"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

// Config bounds a stream.
type Config struct {
	// MaxBatchBytes bounds the compressed size of a stream that is to be a single
	// batch.
	MaxBatchBytes int
	// MaxBatchAge is how long a batch may stay open. 0: for as long as the stream.
	MaxBatchAge time.Duration
	// MaxStreamAge is how long a stream may last once its metadata is there. 0: for
	// ever.
	MaxStreamAge time.Duration
	// MaxScopeBytes bounds the protobuf size of a scope, and MaxMetadataBytes that of
	// the metadata.
	MaxScopeBytes, MaxMetadataBytes int
	// MaxDepth bounds how deep messages are nested in a scope; the root counts as 1.
	MaxDepth int
	// FirstMessageTimeout is how long a stream may be open without a message.
	FirstMessageTimeout time.Duration
	// IdleTimeout is how long the server waits in all for a client that sends less
	// than MinBytesPerSecond. 0: for ever.
	IdleTimeout       time.Duration
	MinBytesPerSecond int
	// SettleTime is how long a stream that has to end early waits for what is on its
	// way: a batch to be accepted or refused, and at a shutdown the metadata.
	SettleTime time.Duration
}

// Dependencies are what all streams share.
type Dependencies struct {
	Logger      *slog.Logger
	Plan        *transcode.Plan
	Compressors *encode.Pool
	Policy      batch.Policy
	Budget      *memory.Budget
	Spool       *spool.Spool // nil: there is none
	Access      *access.Access
	Tracer      Tracer
	Observer    Observer
	// Offer takes over a batch that the intake has accepted.
	Offer func(access.Grant, *batch.Batch)
}

// Observer is told what can't be read from [Counts]. Its methods are called by many
// goroutines and must not block.
type Observer interface {
	// BatchSealed is told of a batch that was open for age.
	BatchSealed(b *batch.Batch, age time.Duration)
	// BatchForwarded is told how long a batch was on its way, with all attempts and
	// the waits before and between them.
	BatchForwarded(accepted bool, took time.Duration)
	// UploadEnded is told of each stream once.
	UploadEnded(End)
}

// Server serves streams. It implements symdb.v1.SymbolDatabaseService.
type Server struct {
	symdbv1.UnimplementedSymbolDatabaseServiceServer
	Config
	Dependencies
	// Counts are what all streams have done.
	Counts Counts

	goroutines sync.WaitGroup

	mu      sync.Mutex
	streams map[*upload]struct{} // that are open
	stopped error                // why streams are ended at once; nil: they aren't
}

// New returns a server of streams.
func New(cfg Config, with Dependencies) *Server {
	return &Server{Config: cfg, Dependencies: with, streams: map[*upload]struct{}{}}
}

// StreamBytes is what a stream costs beside what it holds, as measured with `make
// loadtest`: its goroutines and what gRPC keeps of it.
const StreamBytes = 16 << 10

// open returns a stream in flight, which must be closed, and why it is refused.
func (s *Server) open(rpc uploadStream) (*upload, error) {
	u := &upload{
		server: s, rpc: rpc,
		done: make(chan error, 1), begun: make(chan struct{}), answered: make(chan struct{}),
		squeezed: make(chan struct{}, 1),
		age:      time.NewTimer(maxPause), clock: time.NewTimer(0),
	}
	u.age.Stop()
	u.ctx, u.end = context.WithCancelCause(rpc.Context())
	u.account = s.Budget.Open(StreamBytes, u.onPressure)
	u.progress.start(&s.Counts)
	u.receiver.start(rpc, &s.Config, u.account, &u.progress)
	u.sender.start(s, rpc.Context(), &u.progress, u.end)
	var err error
	if u.grant, err = s.Access.Enter(rpc.Context()); err == nil {
		err = grpcwire.AnswerPlain(rpc.Context())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[u] = struct{}{}
	if s.stopped != nil {
		u.end(s.stopped)
	}
	return u, err
}

// close gives back what a stream holds. Its client has its answer, and no batch of it
// travels.
func (u *upload) close() {
	u.end(nil)
	u.age.Stop()
	u.clock.Stop()
	u.receiver.release()
	if u.batches != nil {
		u.batches.Discard()
	}
	u.sender.close()
	u.account.Close()
	u.server.Access.Leave(u.grant)
	u.server.mu.Lock()
	defer u.server.mu.Unlock()
	delete(u.server.streams, u)
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
	return slices.Collect(maps.Keys(s.streams))
}

// Snapshots returns how far the open streams have come, in any order.
func (s *Server) Snapshots() []Snapshot {
	open := s.list()
	snapshots := make([]Snapshot, len(open))
	for i, u := range open {
		snapshots[i] = u.snapshot()
	}
	return snapshots
}

// EndRevoked ends the streams of those who may no longer upload.
func (s *Server) EndRevoked() {
	for _, u := range s.list() {
		if err := s.Access.Revoked(u.grant); err != nil {
			u.end(err)
		}
	}
}

// Stop ends all streams, and those to come, with [ErrShuttingDown]. A batch that
// travels may land for 2 seconds.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = ErrShuttingDown
	for u := range s.streams {
		u.end(ErrShuttingDown)
	}
}

// Wait waits until no goroutine of a stream is left.
func (s *Server) Wait() { s.goroutines.Wait() }

// noteSpool counts and logs why a batch could not be moved to the spool. That it is
// full is no news to the log.
func (s *Server) noteSpool(ctx context.Context, err error) {
	switch {
	case err == nil:
	case errors.Is(err, spool.ErrFull):
		s.Counts.SpoolFull.Add(1)
	default:
		s.Counts.SpoolFailed.Add(1)
		s.Logger.WarnContext(ctx, "spool failed", slog.String("error", err.Error()))
	}
}

// Recovered logs a panic with its stack, and returns the status that hides it from
// the client.
func (s *Server) Recovered(ctx context.Context, panicked any) error {
	s.Logger.ErrorContext(ctx, "panic in a handler",
		slog.Any("panic", panicked), slog.String("stack", string(debug.Stack())))
	return errInternal
}

// catch is to be deferred: it makes an error of a panic.
func (s *Server) catch(ctx context.Context, err *error) {
	if panicked := recover(); panicked != nil {
		*err = s.Recovered(ctx, panicked)
	}
}
