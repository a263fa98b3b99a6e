package server

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/wait"
	"github.com/scopegate/scopegate/server/internal/admin"
	"github.com/scopegate/scopegate/server/internal/intake"
)

// watched is a server, and a client of it.
type watched struct {
	*Server
	address string
	client  symdbv1.SymbolDatabaseServiceClient
}

// watch starts a server in front of an intake that answers as it is told.
func watch(t *testing.T, configure func(*Config), answer http.HandlerFunc) *watched {
	t.Helper()
	intake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		answer(w, r)
	}))
	t.Cleanup(intake.Close)
	cfg := DefaultConfig()
	cfg.Intake.URL = intake.URL
	if configure != nil {
		configure(&cfg)
	}
	s, err := New(cfg, slog.New(slog.DiscardHandler), WithVersion("v9"))
	if err != nil {
		t.Fatal(err)
	}
	setSettleTime(s, patience)
	address, _ := serve(t, s)
	return &watched{Server: s, address: address, client: symdbv1.NewSymbolDatabaseServiceClient(dial(t, address))}
}

func accept(http.ResponseWriter, *http.Request) {}

// begin begins an upload of a service; the server has its metadata.
func (w *watched) begin(t *testing.T, service string) uploading {
	t.Helper()
	return w.beginIn(t.Context(), t, service)
}

func (w *watched) beginIn(ctx context.Context, t *testing.T, service string) uploading {
	t.Helper()
	stream, err := w.client.UploadScopes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	introduce(t, stream, service)
	return stream
}

type uploading = grpc.ClientStreamingClient[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse]

// introduce sends the metadata; the server has it then.
func introduce(t *testing.T, stream uploading, service string) {
	t.Helper()
	if err := stream.Send(metadataOf(service)); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Header(); err != nil {
		t.Fatal(err)
	}
}

func metadataOf(service string) *symdbv1.UploadScopesRequest {
	metadata := &symdbv1.UploadMetadata{Service: service, Version: new("1"), Language: "go"}
	return &symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Metadata{Metadata: metadata}}
}

func send(t *testing.T, stream uploading, count int) {
	t.Helper()
	for range count {
		scope := &symdbv1.Scope{ScopeType: "package", Name: new("main")}
		if err := stream.Send(&symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Scope{Scope: scope}}); err != nil {
			t.Fatal(err)
		}
	}
}

// await waits until the server's snapshot is as wanted, and returns it.
func (w *watched) await(t *testing.T, what string, as func(admin.Snapshot) bool) admin.Snapshot {
	t.Helper()
	return wait.Until(t, what, w.snapshot, as)
}

// inState tells whether the only upload is in that state.
func inState(state string) func(admin.Snapshot) bool {
	return func(s admin.Snapshot) bool { return len(s.Uploads) == 1 && s.Uploads[0].State == state }
}

func TestSnapshotFollowsAnUpload(t *testing.T) {
	t.Parallel()
	open := make(chan struct{})
	w := watch(t, func(c *Config) { c.FlushThresholdBytes = 0 }, func(http.ResponseWriter, *http.Request) { <-open })
	s := w.snapshot()
	if s.Server.Version != "v9" || s.Server.Stopping || s.UploadCount != 0 || s.Memory.LimitBytes == 0 || s.Memory.DrawnBytes == 0 ||
		s.Intake.State != intake.Up || !strings.HasPrefix(s.Intake.Host, "http://127.0.0.1:") {
		t.Errorf("at first: %+v, want version v9, no upload, and an open intake", s)
	}
	silent, err := w.client.UploadScopes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.await(t, "a stream without metadata", inState("waiting for the metadata"))
	if err := silent.CloseSend(); err != nil {
		t.Fatal(err)
	}
	w.await(t, "its end", func(s admin.Snapshot) bool {
		return s.UploadCount == 0 && len(s.Finished) == 1 && s.Finished[0].Reason == "STREAM_INVALID" && !s.Finished[0].Good
	})

	stream := w.begin(t, "shop")
	s = w.await(t, "an upload", inState("receiving"))
	requireUpload(t, s, admin.Upload{BatchNum: 1})
	send(t, stream, 2) // the first of them fills a batch
	s = w.await(t, "a batch on its way", inState("receiving; forwarding batch 1"))
	requireUpload(t, s, admin.Upload{BatchNum: 2, Scopes: 2})
	if u := s.Uploads[0]; u.JSONBytes == 0 || u.GzipBytes == 0 {
		t.Errorf("%+v, want bytes of JSON and of gzip", u)
	}
	w.await(t, "the POST", func(s admin.Snapshot) bool { return s.Intake.Posting == 1 && len(s.Intake.Attempts) == 0 })
	send(t, stream, 1)
	w.await(t, "the next batch behind it", inState("forwarding batch 1"))
	close(open)
	s = w.await(t, "two batches accepted", func(s admin.Snapshot) bool {
		return s.Uploads[0].AcceptedBatches == 2 && s.Uploads[0].State == "receiving"
	})
	requireUpload(t, s, admin.Upload{BatchNum: 3, Scopes: 3, AcceptedBatches: 2})
	summary, err := stream.CloseAndRecv()
	if err != nil {
		t.Fatal(err)
	}
	s = w.await(t, "the end", func(s admin.Snapshot) bool { return s.UploadCount == 0 })
	want := admin.Finished{
		Label: admin.Label{UploadID: summary.GetUploadId(), Service: "shop", Version: "1", Language: "go"},
		Code:  "OK", Good: true, Scopes: 3, AcceptedScopes: 3, Batches: 3,
		JSONBytes: summary.GetRawBytes(), GzipBytes: summary.GetCompressedBytes(),
	}
	if diff := cmp.Diff(want, s.Finished[0], cmpopts.IgnoreFields(want, "Ended", "Took")); diff != "" {
		t.Errorf("finished (-want +got):\n%s", diff)
	}
	counts := &w.uploads.Counts
	got := []int64{counts.ScopesAccepted.Load(), counts.JSONBytes.Load(), counts.AcceptedGzipBytes.Load()}
	if want := []int64{3, summary.GetRawBytes(), summary.GetCompressedBytes()}; !slices.Equal(got, want) {
		t.Errorf("scopes, JSON and gzip: %d, want %d", got, want)
	}
	if s.Intake.Attempts[0] != (admin.Outcome{Class: "accepted", Good: true, Count: 3}) || s.Intake.Latency.Count != 3 {
		t.Errorf("intake: %+v", s.Intake)
	}
}

// requireUpload compares the first upload with one of "shop" that has received
// something.
func requireUpload(t *testing.T, s admin.Snapshot, want admin.Upload) {
	t.Helper()
	got := s.Uploads[0]
	want.Label = admin.Label{UploadID: got.UploadID, Service: "shop", Version: "1", Language: "go"}
	ignored := cmpopts.IgnoreFields(want, "Began", "State", "ReceivedBytes", "JSONBytes", "GzipBytes", "HeldBytes")
	if diff := cmp.Diff(want, got, ignored); diff != "" || len(got.UploadID) != 36 || got.ReceivedBytes == 0 {
		t.Errorf("upload %q, of which %d bytes were received (-want +got):\n%s", got.UploadID, got.ReceivedBytes, diff)
	}
}

func TestSnapshotOfAnIntakeThatFails(t *testing.T) {
	t.Parallel()
	w := watch(t, func(c *Config) { c.Intake.BatchDeadline = time.Hour }, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		http.Error(w, "away for lunch", http.StatusServiceUnavailable)
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := w.client.UploadScopes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	metadata := &symdbv1.UploadMetadata{Service: "shop", Language: "go"}
	if err := stream.Send(&symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Metadata{Metadata: metadata}}); err != nil {
		t.Fatal(err)
	}
	send(t, stream, 1)
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	s := w.await(t, "a throttling intake", func(s admin.Snapshot) bool {
		return s.Intake.State == intake.Throttled && len(s.Intake.Failures) > 0
	})
	if in := s.Intake; in.FailedInRow != 1 || in.FailingSince.IsZero() || time.Until(in.RetryAt) <= 0 {
		t.Errorf("%+v, want one failure in a row, and a time to retry at", in)
	}
	if !w.intakeFails() {
		t.Error("the metric says that the intake is well, want what the page says")
	}
	failures := []admin.Failure{{Class: "unavailable", HTTPStatus: 503, Reason: "away for lunch", BatchNum: 1, Count: 1}}
	if diff := cmp.Diff(failures, s.Intake.Failures, cmpopts.IgnoreFields(admin.Failure{}, "At", "Since", "Took")); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	s = w.await(t, "an upload that waits", inState("waiting for the intake to accept batch 1"))
	if !s.Uploads[0].Stuck {
		t.Error("it is not told to be stuck")
	}
	cancel()
	w.await(t, "its end", func(s admin.Snapshot) bool { return len(s.Finished) == 1 && s.Finished[0].Code == "Canceled" })
}

func TestSnapshotOfRefusedUploads(t *testing.T) {
	t.Parallel()
	w := watch(t, func(c *Config) { c.Limits.ServiceUploads = 1 }, accept)
	first := w.begin(t, "shop")
	stream, err := w.client.UploadScopes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	metadata := &symdbv1.UploadMetadata{Service: "shop", Version: new("second"), Language: "go"}
	_ = stream.Send(&symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Metadata{Metadata: metadata}})
	if err := stream.RecvMsg(&symdbv1.UploadScopesResponse{}); status.Code(err) != codes.ResourceExhausted {
		t.Fatal(err)
	}
	s := w.await(t, "the refusal", func(s admin.Snapshot) bool { return len(s.Finished) == 1 })
	if f := s.Finished[0]; f.Version != "second" || f.Code != "ResourceExhausted" || f.Reason != "OVERLOADED" {
		t.Errorf("%+v, want Version %q, Code %q and Reason %q", f, "second", "ResourceExhausted", "OVERLOADED")
	}
	if s.Refused.At.IsZero() || !s.Refused.AllAt.IsZero() || !strings.Contains(s.Refused.Detail, "upload limit of 1") {
		t.Errorf("%+v, want the refusal for the service", s.Refused)
	}
	w.sample(time.Now())
	if last := w.snapshot().History[0]; last.Uploads != 1 || last.DrawnBytes == 0 || last.ReceivedBytes == 0 {
		t.Errorf("%+v, want one upload open", last)
	}
	send(t, first, 1)
	if _, err := first.CloseAndRecv(); err != nil {
		t.Error(err)
	}
}

// With the race detector.
func TestSnapshotWhileAllIsInMotion(t *testing.T) {
	t.Parallel()
	w := watch(t, func(c *Config) { c.FlushThresholdBytes = 0 }, accept)
	page := w.StatusPage()
	stop := make(chan struct{})
	var looking, uploading sync.WaitGroup
	for range 2 {
		looking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if s := w.snapshot(); len(s.Uploads) != s.UploadCount {
					t.Errorf("%d of %d uploads, want %v", len(s.Uploads), s.UploadCount, s.UploadCount)
				}
				w.sample(time.Now())
				page.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
			}
		})
	}
	for range 8 {
		uploading.Go(func() {
			for range 3 {
				stream := w.begin(t, "shop")
				send(t, stream, 10)
				if _, err := stream.CloseAndRecv(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	uploading.Wait()
	close(stop)
	looking.Wait()
	if got := w.uploads.Counts.ScopesReceived.Load(); got != 240 {
		t.Errorf("%d scopes, want 240", got)
	}
}

func TestStatusPageEndsWithTheServer(t *testing.T) {
	t.Parallel()
	w := watch(t, nil, accept)
	server := httptest.NewServer(w.StatusPage())
	defer server.Close()
	resp, err := server.Client().Get(server.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, "data: {") {
		t.Fatal(line, err)
	}
	if err := w.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, lines); err != nil {
		t.Errorf("the events did not end in order: %v", err)
	}
	recorder := httptest.NewRecorder()
	w.StatusPage().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if recorder.Code != http.StatusOK {
		t.Errorf("the page answers %d afterwards, want %v", recorder.Code, http.StatusOK)
	}
	if !w.snapshot().Server.Stopping {
		t.Error("the server is not told to stop")
	}
}

func TestStatusPageOfAServerThatHasStopped(t *testing.T) {
	t.Parallel()
	w := watch(t, nil, accept)
	if err := w.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	w.StatusPage().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/events", nil))
	if recorder.Code != http.StatusServiceUnavailable {
		t.Errorf("events: %d, want %v", recorder.Code, http.StatusServiceUnavailable)
	}
}

// TestStatusPageClosing: the page can be had while its clock is still being stopped.
func TestStatusPageClosing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &statusPage{page: admin.NewPage(func() admin.Snapshot { return admin.Snapshot{} })}
		release := make(chan struct{})
		p.serve(func(time.Time) { <-release })
		<-time.After(time.Second)
		go p.close()
		synctest.Wait() // close waits for sample
		if p.mu.TryLock() {
			p.mu.Unlock()
		} else {
			t.Error("close holds the lock while it waits")
		}
		close(release)
	})
}
