package server

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/adminpage"
)

// TestInterruptedBetween has a stream that is interrupted meet that no further batch is
// sent: its client is told why, and how far it came.
func TestInterruptedBetween(t *testing.T) {
	t.Parallel()
	for range 10 { // what comes first is not in a test's hand
		w := watch(t, func(c *Config) { c.FlushThresholdBytes = 0 }, accept)
		stream := w.begin(t, "shop")
		u := w.service.uploads.list()[0]
		u.interrupt(errShuttingDown)
		send(t, stream, 2)
		requireProgress(t, w.requireGivenBack(t, stream, codes.Unavailable, reasonShuttingDown))
	}
}

// beginAndStop begins a stream, and gives the server's streams back before its
// metadata is sent.
func (w *watched) beginAndStop(t *testing.T) uploading {
	t.Helper()
	stream, err := w.client.UploadScopes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the stream", func() bool { return w.service.uploads.count() == 1 })
	w.service.uploads.interrupt(errShuttingDown)
	return stream
}

// TestShutdownBeforeMetadata has a server stop while a stream's metadata is on its
// way.
func TestShutdownBeforeMetadata(t *testing.T) {
	t.Parallel()
	w := watch(t, nil, accept)
	stream := w.beginAndStop(t)
	introduce(t, stream, "shop")
	requireProgress(t, w.requireGivenBack(t, stream, codes.Unavailable, reasonShuttingDown))
}

// TestShutdownBeforeWrongMetadata has a server stop, and a stream end of another
// reason, which is no good to try again.
func TestShutdownBeforeWrongMetadata(t *testing.T) {
	t.Parallel()
	w := watch(t, nil, accept)
	stream := w.beginAndStop(t)
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	_ = w.requireGivenBack(t, stream, codes.InvalidArgument, reasonStreamInvalid)
}

// TestAgeBeforeMetadata has a stream grow old before its metadata is there.
func TestAgeBeforeMetadata(t *testing.T) {
	t.Parallel()
	w := watch(t, func(c *Config) { c.MaxConnectionAge = 100 * time.Millisecond }, accept)
	stream, err := w.client.UploadScopes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the stream to be old", func() bool {
		open := w.service.uploads.list()
		return len(open) == 1 && time.Since(open[0].stream.pace.began) > 200*time.Millisecond
	})
	introduce(t, stream, "shop")
	requireProgress(t, w.requireGivenBack(t, stream, codes.Unavailable, reasonConnectionAge))
}

// TestRevokedBeforeItsEnd ends an upload whose client has just lost its right to it,
// and which is not interrupted yet.
func TestRevokedBeforeItsEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tenants.yaml")
	writeTenants(t, path, "tenants: [{name: shop, tokens: [{sha256: %HASH%}]}]")
	arrived, taken := make(chan struct{}), make(chan struct{})
	w := watch(t, func(c *Config) {
		c.Access.TenantsFile, c.Access.TenantsInterval = path, time.Hour
		c.FlushThresholdBytes = 0
	}, func(http.ResponseWriter, *http.Request) {
		close(arrived) // there is one batch
		<-taken
	})
	stream := w.beginIn(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer token"), t, "shop")
	send(t, stream, 2)
	<-arrived
	writeTenants(t, path, "tenants: [{name: shop, certificates: [shop.example.com]}]")
	u := w.service.uploads.list()[0]
	await(t, "the token to be gone", func() bool {
		w.service.access.Look()
		return w.service.access.Revoked(u.grant) != nil
	})
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	await(t, "it to be interrupted", func() bool { return u.reason.Load() != nil })
	close(taken)
	_ = w.requireGivenBack(t, stream, codes.Unauthenticated, reasonUnauthenticated)
	if ended := w.snapshot().Finished[0]; ended.AcceptedScopes != 1 {
		t.Errorf("%+v: the batch that was on its way did not come to its end", ended)
	}
}

// requireGivenBack waits for the end of the stream, and returns its status.
func (w *watched) requireGivenBack(t *testing.T, stream uploading, want codes.Code, why reason) error {
	t.Helper()
	err := stream.RecvMsg(&symdbv1.UploadScopesResponse{})
	if status.Code(err) != want {
		t.Errorf("%v, want %v", err, want)
	}
	s := w.await(t, "its end", func(s adminpage.Snapshot) bool { return len(s.Finished) == 1 })
	if s.Finished[0].Reason != string(why) {
		t.Errorf("finished: %+v, want %s", s.Finished[0], why)
	}
	return err
}

// requireProgress fails the test unless the status tells that the upload is begun.
func requireProgress(t *testing.T, err error) {
	t.Helper()
	for _, detail := range status.Convert(err).Details() {
		if progress, ok := detail.(*symdbv1.UploadProgress); ok && progress.GetUploadId() != "" {
			return
		}
	}
	t.Errorf("no progress in %v", status.Convert(err).Details())
}
