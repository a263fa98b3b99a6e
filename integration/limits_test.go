package integration_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/integration/wait"
	"github.com/scopegate/scopegate/server"
)

type rawUpload = grpc.ClientStreamingClient[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse]

// admitted opens an upload of the service, and returns when the server has admitted
// it.
func admitted(ctx context.Context, t *testing.T, bed *testbed.Bed, service string) rawUpload {
	t.Helper()
	metadata := testbed.NewMetadata()
	metadata.Service = service
	stream, err := bed.Service.UploadScopes(ctx)
	if err == nil {
		err = stream.Send(testbed.MetadataRequest(metadata))
	}
	if err != nil {
		t.Fatal(err)
	}
	header, err := stream.Header()
	if err != nil || len(header.Get("scopegate-upload-id")) != 1 {
		t.Fatalf("header %v, %v, want 1", header, err)
	}
	return stream
}

// finish sends a scope and ends the upload.
func finish(t *testing.T, stream rawUpload) {
	t.Helper()
	if err := stream.Send(testbed.ScopeRequest(testbed.NewSource(1).Function())); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Error(err)
	}
}

// requireOverloaded fails the test unless an upload of the service is refused for
// now, with what a client needs to come back.
func requireOverloaded(ctx context.Context, t *testing.T, bed *testbed.Bed, service string) {
	t.Helper()
	metadata := testbed.NewMetadata()
	metadata.Service = service
	_, err := testbed.UploadOnce(ctx, bed.Client, metadata, testbed.NewSource(1).Functions(1))
	st := bed.RequireStatus(t, err, codes.ResourceExhausted, "OVERLOADED")
	var delay time.Duration
	for _, detail := range st.Details() {
		if retry, ok := detail.(*errdetails.RetryInfo); ok {
			delay = retry.GetRetryDelay().AsDuration()
		}
	}
	if delay < time.Second || delay > 5*time.Second {
		t.Errorf("the client is asked to wait %v, want 1 s to 5 s", delay)
	}
	progress := testbed.Progress(err)
	if progress.GetUploadId() != metadata.GetUploadId() || progress.GetAcceptedScopeCount() != 0 || progress.GetNextBatchNum() != 1 {
		t.Errorf("progress %v, want that nothing was accepted of %s", progress, metadata.GetUploadId())
	}
}

// TestUploadsAreLimited: an upload more than there may be is refused, and let in when
// one has ended.
func TestUploadsAreLimited(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{Configure: func(cfg *server.Config) { cfg.Limits.Uploads = 2 }})
	ctx := testbed.Context(t)
	first, second := admitted(ctx, t, bed, "a"), admitted(ctx, t, bed, "b")
	requireOverloaded(ctx, t, bed, "c")
	finish(t, first)
	finish(t, admitted(ctx, t, bed, "c"))
	finish(t, second)
}

// TestServicesAreLimited: a service that has as many uploads, or bytes, as it may is
// refused, and another one is not.
func TestServicesAreLimited(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]func(*server.LimitsConfig){
		"uploads": func(l *server.LimitsConfig) { l.ServiceUploads = 1 },
		"bytes":   func(l *server.LimitsConfig) { l.ServiceBytes = 24 << 10 }, // a stream alone takes 16 KiB
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bed := testbed.New(t, testbed.Options{Configure: func(cfg *server.Config) { limit(&cfg.Limits) }})
			ctx := testbed.Context(t)
			noisy := admitted(ctx, t, bed, "noisy")
			requireOverloaded(ctx, t, bed, "noisy")
			finish(t, admitted(ctx, t, bed, "quiet"))
			finish(t, noisy)
			finish(t, admitted(ctx, t, bed, "noisy"))
		})
	}
}

// TestServiceHoldsItsBytes: the uploads of a service that together want more than it
// may hold complete, one after the other if need be, though nothing but that
// limit forwards a batch.
func TestServiceHoldsItsBytes(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{Configure: func(cfg *server.Config) {
		cfg.Limits.ServiceBytes = 1 << 20
		cfg.MaxBatchAge = 0
		cfg.CompressionLevel = 1
	}})
	ctx := testbed.Context(t)
	var uploads sync.WaitGroup
	for i := range 20 {
		uploads.Go(func() {
			deliver := testbed.Resuming{Conn: bed.Conn}.Pull
			if _, err := testbed.Deliver(ctx, bed.Intake, deliver, noise(uint64(i), 6, 32<<10)); err != nil {
				t.Errorf("upload %d: %v", i, err)
			}
		})
	}
	uploads.Wait()
}

// TestClientComesBack: the library's clients come back by themselves when they were
// refused, and complete.
func TestClientComesBack(t *testing.T) {
	t.Parallel()
	for name, upload := range map[string]func(context.Context, *client.Client, *symdbv1.UploadMetadata, []*symdbv1.Scope) error{
		"Upload": func(ctx context.Context, c *client.Client, metadata *symdbv1.UploadMetadata, scopes []*symdbv1.Scope) error {
			_, err := testbed.Upload(ctx, c, metadata, scopes)
			return err
		},
		"Uploader": func(ctx context.Context, c *client.Client, metadata *symdbv1.UploadMetadata, scopes []*symdbv1.Scope) error {
			up, err := c.NewUploader(ctx, testbed.Metadata(metadata))
			if err != nil {
				return err
			}
			for _, scope := range scopes {
				if err := up.Add(ctx, scope); err != nil {
					return err
				}
			}
			_, err = up.Close(ctx)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused := make(chan error, 100)
			bed := testbed.New(t, testbed.Options{
				Configure: func(cfg *server.Config) { cfg.Limits.Uploads = 1 },
				Client:    []client.Option{client.WithOnRetry(func(e client.RetryEvent) { refused <- e.Err })},
			})
			ctx := testbed.Context(t)
			first := admitted(ctx, t, bed, "first")
			metadata, scopes := testbed.NewMetadata(), testbed.NewSource(7).Functions(3)
			done := make(chan error, 1)
			go func() { done <- upload(ctx, bed.Client, metadata, scopes) }()
			bed.RequireStatus(t, wait.Receive(t, refused, "the refusal"), codes.ResourceExhausted, "OVERLOADED")
			finish(t, first)
			if err := wait.Receive(t, done, "the upload"); err != nil {
				t.Fatal(err)
			}
			if _, err := bed.Intake.Verify(metadata.GetUploadId(), metadata, scopes); err != nil {
				t.Error(err)
			}
		})
	}
}

// requireTooSlow fails the test unless the stream is given back because its client
// was too slow, with how far it came.
func requireTooSlow(t *testing.T, bed *testbed.Bed, stream rawUpload) {
	t.Helper()
	err := stream.RecvMsg(&symdbv1.UploadScopesResponse{})
	bed.RequireStatus(t, err, codes.Unavailable, "TOO_SLOW")
	if progress := testbed.Progress(err); progress.GetNextBatchNum() != 1 || progress.GetUploadId() == "" {
		t.Errorf("progress %v, want that nothing was accepted", progress)
	}
}

func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{Configure: func(cfg *server.Config) { cfg.Limits.IdleTimeout = 50 * time.Millisecond }})
	ctx := testbed.Context(t)
	requireTooSlow(t, bed, admitted(ctx, t, bed, "silent"))
	stream := admitted(ctx, t, bed, "stops")
	if err := stream.Send(testbed.ScopeRequest(testbed.NewSource(1).Function())); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	requireTooSlow(t, bed, stream)
	requireServing(t, bed)
}

// TestMinimumRate: a client that keeps sending, but too little, is given back its
// stream.
func TestMinimumRate(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{Configure: func(cfg *server.Config) {
		cfg.Limits.IdleTimeout, cfg.Limits.MinBytesPerSecond = 20*time.Millisecond, 1<<30
	}})
	stream := admitted(testbed.Context(t), t, bed, "trickles")
	scope := testbed.ScopeRequest(testbed.NewSource(1).Function())
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for err := error(nil); err == nil; err = stream.Send(scope) {
		<-ticker.C
	}
	requireTooSlow(t, bed, stream)
}

// TestStoppedClientIsNotSlow: a client that is stopped because the intake does not
// answer is not taken for one that is slow. What it sends fits the stream's window, so
// that it is never itself what is waited for.
func TestStoppedClientIsNotSlow(t *testing.T) {
	t.Parallel()
	const idle = 5 * time.Second // long enough for a busy machine to send three scopes
	gate := testbed.NewGate()
	bed := testbed.New(t, testbed.Options{Fault: gate.Fault, Configure: func(cfg *server.Config) {
		cfg.FlushThresholdBytes = 0
		cfg.Limits.IdleTimeout = idle
	}})
	metadata, scopes := testbed.NewMetadata(), noise(1, 3, 16<<10)
	type result struct {
		journey testbed.Journey
		err     error
	}
	done := make(chan result, 1)
	go func() {
		journey, err := testbed.Resuming{Conn: bed.Conn}.Pull(testbed.Context(t), metadata, scopes)
		done <- result{journey, err}
	}()
	wait.Receive(t, gate.Entered, "the first batch")
	select {
	case <-time.After(idle * 3 / 2):
	case post := <-gate.BrokenOff:
		t.Errorf("batch %d was broken off", post.BatchNum)
	}
	if posts := bed.Intake.Posts(); len(posts) != 1 {
		t.Errorf("%d posts while the intake did not answer, want 1", len(posts))
	}
	gate.Open()
	r := wait.Receive(t, done, "the upload")
	if r.err != nil || r.journey.Streams != 1 {
		t.Fatalf("%v after %d streams, the first of which failed with %v, want 1", r.err, r.journey.Streams, r.journey.Failures)
	}
	if err := bed.Intake.VerifyJourney(r.journey, metadata, scopes); err != nil {
		t.Error(err)
	}
}

func TestFirstMessageTimeout(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{Configure: func(cfg *server.Config) {
		cfg.Limits.FirstMessageTimeout = 20 * time.Millisecond
	}})
	stream, err := bed.Service.UploadScopes(testbed.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	bed.RequireInvalid(t, stream.RecvMsg(&symdbv1.UploadScopesResponse{}), "STREAM_INVALID", "metadata")
}

// TestConnectionsAreLimited: a connection more than there may be is closed at once while
// all others have an upload, and can be made when one has none.
func TestConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{Configure: func(cfg *server.Config) { cfg.Limits.Connections = 1 }})
	ctx := testbed.Context(t)
	first := admitted(ctx, t, bed, "first")
	extra, err := new(net.Dialer).DialContext(ctx, "tcp", bed.Server.Target())
	if err != nil {
		t.Fatal(err)
	}
	defer extra.Close()
	if n, err := extra.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("the server answered a connection over the limit: %d bytes, %v", n, err)
	}
	finish(t, first)
	stream, err := symdbv1.NewSymbolDatabaseServiceClient(bed.Connect(t)).UploadScopes(ctx, grpc.WaitForReady(true))
	if err == nil {
		err = stream.Send(testbed.MetadataRequest(testbed.NewMetadata()))
	}
	if err != nil {
		t.Fatal(err)
	}
	finish(t, stream)
}

// TestStreamsOfAConnectionAreLimited: a stream more than there may be waits in the
// client, until another one has ended.
func TestStreamsOfAConnectionAreLimited(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{Configure: func(cfg *server.Config) { cfg.Limits.StreamsPerConnection = 2 }})
	ctx := testbed.Context(t)
	first, second := admitted(ctx, t, bed, "a"), admitted(ctx, t, bed, "b")
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := bed.Service.UploadScopes(short); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a third stream: %v, want it to wait", err)
	}
	finish(t, first)
	finish(t, admitted(ctx, t, bed, "c"))
	finish(t, second)
}
