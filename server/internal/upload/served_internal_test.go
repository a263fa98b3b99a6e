package upload

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/tap"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/grpctest"
	"github.com/scopegate/scopegate/integration/logged"
	"github.com/scopegate/scopegate/integration/wait"
	"github.com/scopegate/scopegate/server/internal/access"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/logs"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

// patience bounds what happens at once, unless the test fails.
const patience = time.Minute

// maxUploads is how many uploads a served server takes at a time.
const maxUploads = 3

// served is a server of uploads over real gRPC, in front of an intake that is a function.
type served struct {
	*Server
	client symdbv1.SymbolDatabaseServiceClient
	log    *logged.Text
	ended  chan ending
	// numbered is called with each batch that gets its number, unless it is nil.
	numbered func(*batch.Batch)
}

// forwards is an intake.
type forwards func(context.Context, *batch.Batch) error

func (f forwards) Forward(ctx context.Context, _ intake.Caller, b *batch.Batch) error {
	return f(ctx, b)
}

// serve starts a server, which is stopped when the test ends. It must then have given
// back all memory.
func serve(t *testing.T, to forwards, change func(*Config)) *served {
	t.Helper()
	s := &served{log: &logged.Text{}, ended: make(chan ending, 100)}
	logger := slog.New(slog.NewTextHandler(s.log, nil))
	budget := memory.New(memory.Limits{Bytes: 64 << 20, Uploads: maxUploads})
	routes, err := access.NewRoutes(intake.Config{URL: "http://intake.invalid/", PostTimeout: time.Second, MaxConnections: 1},
		budget, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	routes.Own.Forwarder = to
	granted, err := access.New(access.Config{}, routes, budget, logger)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := transcode.Compile((&symdbv1.Scope{}).ProtoReflect().Descriptor(), transcode.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := encode.NewPool(encode.DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		MaxBatchBytes: 1 << 20, MaxBatchRawBytes: 1 << 20, MaxScopeBytes: 1 << 20, MaxMetadataBytes: 1 << 20, MaxDepth: 10,
		FirstMessageTimeout: time.Hour, SettleTime: patience,
	}
	if change != nil {
		change(&cfg)
	}
	s.Server = New(cfg, Dependencies{
		Logger: logger, LimitedLog: logs.NewLimiter(logger), Plan: plan, Compressors: pool, Policy: batch.Policy{FlushThresholdBytes: 1 << 20},
		Budget: budget, Buffers: mem.DefaultBufferPool(), Access: granted, Observer: s, Offer: func(_ *access.Grant, b *batch.Batch) { b.File.Release() },
	})
	before := budget.DrawnBytes()
	server := grpc.NewServer(grpc.InTapHandle(s.open))
	symdbv1.RegisterSymbolDatabaseServiceServer(server, s.Server)
	conn, err := grpc.NewClient(grpctest.Serve(t, server), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		s.Wait()
		if got := budget.DrawnBytes(); got != before {
			t.Errorf("%d bytes are drawn at the end, want %d", got, before)
		}
		requireLedger(t, &s.Counts)
		routes.Close()
		budget.Close()
	})
	s.client = symdbv1.NewSymbolDatabaseServiceClient(conn)
	return s
}

// nowhere is a place that nobody leaves.
type nowhere struct{}

func (nowhere) Leave() {}

// open opens streams without asking anybody.
func (s *served) open(ctx context.Context, _ *tap.Info) (context.Context, error) {
	granted, err := s.Access.Admit(ctx)
	if err != nil {
		return nil, err
	}
	return s.Open(ctx, granted, StreamBytes).Enter(nowhere{}, memory.Source{})
}

func (s *served) BatchNumbered(b *batch.Batch, _ time.Duration) {
	if s.numbered != nil {
		s.numbered(b)
	}
}

func (*served) BatchForwarded(bool, time.Duration) {}

func (s *served) UploadEnded(end End) { s.ended <- ending{end, s.InFlight()} }

// ending is how an upload ends.
type ending struct {
	End

	open int // uploads, before its client has its answer
}

// requireLedger fails the test unless each scope and each batch has ended in one way.
func requireLedger(t *testing.T, c *Counts) {
	t.Helper()
	scopes := c.ScopesAccepted.Load() + c.ScopesRefused.Load() + c.ScopesGivenBack.Load()
	batches := c.BatchesAccepted.Load() + c.BatchesRefused.Load() + c.BatchesGivenBack.Load()
	if scopes != c.ScopesReceived.Load() || batches != c.BatchesSealed.Load() {
		t.Errorf("%d scopes and %d batches have ended, want %d and %d",
			scopes, batches, c.ScopesReceived.Load(), c.BatchesSealed.Load())
	}
}

// sending is an upload as its client sees it.
type sending struct {
	grpc.ClientStreamingClient[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse]

	upload *upload // as the server sees it
}

// begin begins an upload, alone; the server has its metadata.
func (s *served) begin(t *testing.T) sending {
	t.Helper()
	return s.beginWith(t, func(*symdbv1.UploadMetadata) {})
}

// beginWith is begin with changed metadata.
func (s *served) beginWith(t *testing.T, change func(*symdbv1.UploadMetadata)) sending {
	t.Helper()
	return s.beginIn(t.Context(), t, change)
}

// beginIn is beginWith in a context.
func (s *served) beginIn(ctx context.Context, t *testing.T, change func(*symdbv1.UploadMetadata)) sending {
	t.Helper()
	stream, err := s.client.UploadScopes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	metadata := &symdbv1.UploadMetadata{Service: "shop", Version: new("1"), Language: "go"}
	change(metadata)
	if err := stream.Send(&symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Metadata{Metadata: metadata}}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Header(); err != nil {
		t.Fatal(err)
	}
	return sending{stream, s.list()[0]}
}

// send sends scopes, and returns when the server has read them.
func (s sending) send(t *testing.T, count int) {
	t.Helper()
	s.sendNamed(t, count, "main")
}

// sendNamed is send with scopes of that name.
func (s sending) sendNamed(t *testing.T, count int, name string) {
	t.Helper()
	want := s.upload.progress.scopes.Load() + int64(count)
	for range count {
		scope := &symdbv1.Scope{ScopeType: "package", Name: new(name)}
		if err := s.Send(&symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Scope{Scope: scope}}); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the scopes", func() bool { return s.upload.progress.scopes.Load() == want })
}

// awaitEnd returns how the next upload ends.
func (s *served) awaitEnd(t *testing.T) ending {
	t.Helper()
	return receive(t, s.ended, "the end of an upload")
}

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	return wait.Receive(t, from, what)
}

// await returns when it is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	wait.Equal(t, what, so, true)
}
