package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/upload"
)

// places is a room for so many streams of different connections, that hold so many
// bytes each, and their headers.
func places(count, bytes int) *room { return newRoom(int64(count * (bytes + 1<<10))) }

// serveBehind starts a server whose door was changed.
func serveBehind(t *testing.T, change func(*door)) *watched {
	t.Helper()
	intake := httptest.NewServer(http.HandlerFunc(accept))
	t.Cleanup(intake.Close)
	cfg := DefaultConfig()
	cfg.Intake.URL = intake.URL
	s, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	change(s.door)
	address, _ := serve(t, s)
	return &watched{Server: s, address: address, client: symdbv1.NewSymbolDatabaseServiceClient(dial(t, address))}
}

// silent opens a stream by a connection of its own, and sends nothing. What ends it
// comes over the channel.
func silent(ctx context.Context, t *testing.T, address string) <-chan error {
	t.Helper()
	stream, err := symdbv1.NewSymbolDatabaseServiceClient(dial(t, address)).UploadScopes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- stream.RecvMsg(&symdbv1.UploadScopesResponse{}) }()
	return ended
}

// requireRefused fails the test unless a stream that has sent nothing ends for want of
// room, and its client is told that it can open it again as it was.
func requireRefused(t *testing.T, err error, text string) {
	t.Helper()
	st := status.Convert(err)
	if st.Code() != codes.ResourceExhausted || upload.OutcomeOf(err).Reason != upload.ReasonOverloaded || !strings.Contains(st.Message(), text) {
		t.Errorf("%v, want it to be OVERLOADED: %s", err, text)
	}
	for _, detail := range st.Details() {
		if progress, ok := detail.(*symdbv1.UploadProgress); ok && progress.GetUploadId() == "" {
			return
		}
	}
	t.Errorf("no progress without an upload_id in %v", st.Details())
}

// TestUploadIsRefusedAtItsOpening: while there is no memory, nobody waits for what a
// client might send.
func TestUploadIsRefusedAtItsOpening(t *testing.T) {
	t.Parallel()
	r := run(t)
	short := int(r.budget.LimitBytes() / 100 * 95)
	r.budget.Draw(short)
	defer r.budget.Draw(-short)
	requireRefused(t, <-silent(t.Context(), t, r.address), "reached its memory limit")
	if last := r.snapshot().Refused; last.At.IsZero() || last.At != last.AllAt || !strings.Contains(last.Detail, "reached its memory limit") {
		t.Errorf("%+v is recorded, want a refusal for all", last)
	}
	if text := r.log.String(); !strings.Contains(text, "upload refused") {
		t.Errorf("it is not logged:\n%s", text)
	}
}

// TestTenantCountsFromTheOpening: uploads that have sent nothing are among those that a
// tenant may have.
func TestTenantCountsFromTheOpening(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tenants.yaml")
	writeTenants(t, path, "tenants: [{name: shop, max_uploads: 2, tokens: [{sha256: %HASH%}]}]")
	r := run(t, func(c *Config) { c.Access.TenantsFile = path })
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer token"))
	first, second := silent(ctx, t, r.address), silent(ctx, t, r.address)
	await(t, "two uploads", func() bool { return r.uploads.InFlight() == 2 })
	requireRefused(t, <-silent(ctx, t, r.address), `tenant "shop" has reached its upload limit of 2`)
	if last := r.snapshot().Refused; last.At.IsZero() || !last.AllAt.IsZero() || !strings.Contains(last.Detail, "upload limit of 2") {
		t.Errorf("%+v is recorded, want a refusal for the tenant", last)
	}
	cancel()
	_, _ = <-first, <-second
}

// TestUnbegunUploads: a connection can't have all the places of uploads that have sent
// no scope; and when they are taken, the oldest upload gives way to another client's.
func TestUnbegunUploads(t *testing.T) {
	t.Parallel()
	w := serveBehind(t, func(d *door) { d.unbegun = places(4, upload.StreamBytes) })
	var streams []uploading
	for range 2 {
		stream, err := w.client.UploadScopes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, stream)
	}
	await(t, "two of one connection", func() bool { return w.uploads.InFlight() == 2 })
	third, err := w.client.UploadScopes(t.Context())
	if err == nil {
		err = third.RecvMsg(&symdbv1.UploadScopesResponse{})
	}
	requireRefused(t, err, "sent no scope")
	address := w.address
	_ = silent(t.Context(), t, address)
	_ = silent(t.Context(), t, address)
	await(t, "four in all", func() bool { return w.uploads.InFlight() == 4 })
	_ = silent(t.Context(), t, address)
	requireRefused(t, streams[0].RecvMsg(&symdbv1.UploadScopesResponse{}), "sent no scope")
}

// TestRefusedStreamsLeave: few are on their way out at a time, and all get there.
func TestRefusedStreamsLeave(t *testing.T) {
	t.Parallel()
	w := serveBehind(t, func(d *door) { d.unbegun, d.calls, d.leaving = newRoom(0), newRoom(0), make(chan struct{}, 1) })
	health := healthv1.NewHealthClient(dial(t, w.address))
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			stream, err := w.client.UploadScopes(t.Context())
			if err == nil {
				err = stream.RecvMsg(&symdbv1.UploadScopesResponse{})
			}
			requireRefused(t, err, "sent no scope")
		})
		clients.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience) // its timer is stopped
			defer cancel()
			_, err := health.Check(ctx, &healthv1.HealthCheckRequest{})
			if code := status.Code(err); code != codes.ResourceExhausted && code != codes.DeadlineExceeded {
				t.Errorf("a call: %v, want it refused", err)
			}
		})
	}
	clients.Wait()
	await(t, "all to be gone", func() bool { return len(w.door.leaving) == 0 })
}

// TestUploadsWithScopesTakeNoPlace: however many there are.
func TestUploadsWithScopesTakeNoPlace(t *testing.T) {
	t.Parallel()
	w := serveBehind(t, func(d *door) { d.unbegun = places(3, upload.StreamBytes) })
	var streams []uploading
	for range 8 {
		stream := w.begin(t, "shop")
		send(t, stream, 1)
		await(t, "its scope", func() bool { return w.door.unbegun.streams() == 0 })
		streams = append(streams, stream)
	}
	for _, stream := range streams {
		if _, err := stream.CloseAndRecv(); err != nil {
			t.Error(err)
		}
	}
}

// TestWhatAStreamKeepsIsDrawn: its header and its metadata.
func TestWhatAStreamKeepsIsDrawn(t *testing.T) {
	t.Parallel()
	const headerBytes, maxFieldBytes = 4 << 10, 256
	w := watch(t, nil, accept)
	before := w.budget.DrawnBytes()
	stream, err := w.client.UploadScopes(metadata.AppendToOutgoingContext(t.Context(), "x-long", strings.Repeat("x", headerBytes)))
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the upload", func() bool { return w.uploads.InFlight() == 1 })
	const all = upload.StreamBytes + headerBytes + grpcwire.OpenBytes + grpcwire.ConnectionBytes
	opened := drawnAtRest(t, w.budget, before, all+writeBytes/2)
	if opened < upload.StreamBytes+headerBytes {
		t.Errorf("%d bytes are drawn at its opening, want at least %d", opened, upload.StreamBytes+headerBytes)
	}
	long := strings.Repeat("x", maxFieldBytes)
	request := &symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Metadata{Metadata: &symdbv1.UploadMetadata{
		Service: long, Env: new(long), Version: new(long), Language: long, RuntimeId: long,
	}}}
	if err := stream.Send(request); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Header(); err != nil {
		t.Fatal(err)
	}
	await(t, "its metadata to be drawn", func() bool {
		return w.budget.DrawnBytes()-before >= opened+5*maxFieldBytes
	})
	send(t, stream, 1)
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Error(err)
	}
}

// watchHealth watches the server's health by a connection of its own, and returns what
// comes first, and what ends it.
func watchHealth(t *testing.T, address string) (first, end <-chan error) {
	t.Helper()
	stream, err := healthv1.NewHealthClient(dial(t, address)).Watch(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan error, 2)
	go func() {
		for range 2 {
			_, err := stream.Recv()
			answers <- err
		}
	}()
	return answers, answers
}

// TestWatchersAreFew: there are places for few, and the oldest gives way.
func TestWatchersAreFew(t *testing.T) {
	t.Parallel()
	w := serveBehind(t, func(d *door) { d.watches = places(2, upload.StreamBytes+grpcwire.MaxCallBytes) })
	first, end := watchHealth(t, w.address)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if answer, _ := watchHealth(t, w.address); <-answer != nil {
			t.Error("who watches nothing yet is refused")
		}
	}
	if err := <-end; status.Code(err) != codes.ResourceExhausted {
		t.Errorf("the first one ends with %v, want RESOURCE_EXHAUSTED", err)
	}
}

// TestWatchEnds: no watcher has its place for good.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	w := serveBehind(t, func(d *door) { d.watchTime = 10 * time.Millisecond })
	answer, end := watchHealth(t, w.address)
	err := <-answer
	for status.Code(err) == codes.DeadlineExceeded { // gRPC's own, if the time is up while the first answer is sent
		answer, end = watchHealth(t, w.address)
		err = <-answer
	}
	if err == nil {
		err = <-end
	}
	if status.Code(err) != codes.Unavailable || upload.OutcomeOf(err).Reason != upload.ReasonConnectionAge ||
		status.Convert(err).Message() != errOverdue.Error() {
		t.Errorf("it ends with %v, want UNAVAILABLE and %v", err, errOverdue)
	}
	await(t, "its end", func() bool { return w.door.watches.streams() == 0 })
}

// TestWatchersBeforeUploads: while memory is short, watchers are refused, and uploads
// are not.
func TestWatchersBeforeUploads(t *testing.T) {
	t.Parallel()
	w := watch(t, nil, accept)
	short := int(w.budget.LimitBytes() / 100 * 85)
	w.budget.Draw(short)
	defer w.budget.Draw(-short)
	if answer, _ := watchHealth(t, w.address); status.Code(<-answer) != codes.ResourceExhausted {
		t.Error("a watcher is taken")
	}
	stream := w.begin(t, "shop")
	send(t, stream, 1)
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Errorf("an upload: %v", err)
	}
}

// TestCallWithoutMessage: a call that is opened and left is drawn.
func TestCallWithoutMessage(t *testing.T) {
	t.Parallel()
	r := run(t)
	before := r.drawnBytes()
	call := &rawClient{Conn: dialTCP(t, r.address)}
	call.open(t, healthv1.Health_Check_FullMethodName)
	await(t, "it to be drawn", func() bool { return r.drawnBytes() >= before+upload.StreamBytes })
	if err := call.Close(); err != nil {
		t.Fatal(err)
	}
	requireDrawn(t, r.budget, before)
}

// TestCallWithoutMessageEnds: whether there was a place for it or not.
func TestCallWithoutMessageEnds(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*door){
		"taken":   func(d *door) { d.callTime = time.Millisecond },
		"refused": func(d *door) { d.calls = newRoom(0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			call := &rawClient{Conn: dialTCP(t, serveBehind(t, change).address)}
			call.open(t, healthv1.Health_Check_FullMethodName)
			for {
				frame, err := call.ReadFrame()
				if err != nil {
					t.Fatal(err)
				}
				if headers, ok := frame.(*http2.HeadersFrame); ok && headers.StreamEnded() {
					return
				}
			}
		})
	}
}
