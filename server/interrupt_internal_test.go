package server

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/wait"
	"github.com/scopegate/scopegate/server/internal/admin"
	"github.com/scopegate/scopegate/server/internal/upload"
)

// beginAndStop begins a stream, and gives the server's streams back before its
// metadata is sent.
func (w *watched) beginAndStop(t *testing.T) uploading {
	t.Helper()
	stream, err := w.client.UploadScopes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wait.Equal(t, "the stream", w.uploads.InFlight, 1)
	w.uploads.Stop()
	return stream
}

// TestShutdownBeforeMetadata has a server stop while a stream's metadata is on its
// way.
func TestShutdownBeforeMetadata(t *testing.T) {
	t.Parallel()
	w := watch(t, nil, accept)
	stream := w.beginAndStop(t)
	introduce(t, stream, "shop")
	requireProgress(t, w.requireGivenBack(t, stream, codes.Unavailable, upload.ReasonShuttingDown))
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
	_ = w.requireGivenBack(t, stream, codes.InvalidArgument, upload.ReasonStreamInvalid)
}

// TestAgeBeforeMetadata has a stream grow old before its metadata is there.
func TestAgeBeforeMetadata(t *testing.T) {
	t.Parallel()
	w := watch(t, func(c *Config) { c.MaxConnectionAge = 100 * time.Millisecond }, accept)
	stream, err := w.client.UploadScopes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the stream to be old", func() []upload.Snapshot { open, _ := w.uploads.Notable(1); return open },
		func(open []upload.Snapshot) bool {
			return len(open) == 1 && time.Since(open[0].Began) > 200*time.Millisecond
		})
	introduce(t, stream, "shop")
	requireProgress(t, w.requireGivenBack(t, stream, codes.Unavailable, upload.ReasonConnectionAge))
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
	_ = wait.Until(t, "the token to be gone", func() error {
		w.access.Look()
		_, err := w.access.Authenticate(metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer token")))
		return err
	}, func(err error) bool { return err != nil })
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	w.await(t, "its end to begin", func(s admin.Snapshot) bool {
		return len(s.Uploads) == 1 && strings.HasPrefix(s.Uploads[0].State, "ending: ")
	})
	close(taken)
	_ = w.requireGivenBack(t, stream, codes.Unauthenticated, upload.ReasonUnauthenticated)
	if ended := w.snapshot().Finished[0]; ended.AcceptedScopes != 1 {
		t.Errorf("%+v: the batch that was on its way did not come to its end", ended)
	}
}

// requireGivenBack waits for the end of the stream, and returns its status.
func (w *watched) requireGivenBack(t *testing.T, stream uploading, want codes.Code, why upload.Reason) error {
	t.Helper()
	err := stream.RecvMsg(&symdbv1.UploadScopesResponse{})
	if status.Code(err) != want {
		t.Errorf("%v, want %v", err, want)
	}
	s := w.await(t, "its end", func(s admin.Snapshot) bool { return len(s.Finished) == 1 })
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
