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
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/spool"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

// Config bounds a stream.
type Config struct {
	// MaxBatchBytes and MaxBatchRawBytes bound a stream that is to be a single batch:
	// its compressed size, and the length of its JSON.
	MaxBatchBytes    int
	MaxBatchRawBytes int64
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
	Offer func(*access.Grant, *batch.Batch)
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

// start returns the upload of an opening that was claimed.
func (s *Server) start(opening *Opening, rpc uploadStream) *upload {
	u := &upload{
		Opening: opening, rpc: rpc,
		begun: make(chan struct{}), done: make(chan error, 1),
	}
	u.answered.Add(1)
	u.progress.start(&s.Counts)
	u.receiver.start(u)
	u.sender.start(u)
	first, _ := u.checkPace()
	u.clock, u.fires = time.NewTimer(first), time.Now().Add(first)
	return u
}

// register makes the stream one of those that are open, until it is closed.
func (u *upload) register() {
	s := u.server
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[u] = struct{}{}
	if s.stopped != nil {
		u.end(s.stopped)
	}
}

// close gives back what the stream holds and counts what became of its scopes, once the
// reader has ended. Closing again does nothing.
func (u *upload) close() {
	if u.closed {
		return
	}
	u.closed = true
	u.sender.close()
	u.clock.Stop()
	u.receiver.release()
	if u.batches != nil {
		u.batches.Discard()
	}
	u.Leave()
	u.progress.end(u.refused)
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
	return slices.AppendSeq(make([]*upload, 0, len(s.streams)), maps.Keys(s.streams))
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
// travels may land first.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = ErrShuttingDown
	for u := range s.streams {
		u.end(s.stopped)
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

// Recovered logs a panic with its stack, and returns the error that hides it from the
// client.
func (s *Server) Recovered(ctx context.Context, panicked any) error {
	s.Logger.ErrorContext(ctx, "panic in a handler",
		slog.Any("panic", panicked), slog.String("stack", string(debug.Stack())))
	return errInternal
}

// catch is to be deferred: it passes on a panic as an error.
func (s *Server) catch(ctx context.Context, fail func(error)) {
	if panicked := recover(); panicked != nil {
		fail(s.Recovered(ctx, panicked))
	}
}
