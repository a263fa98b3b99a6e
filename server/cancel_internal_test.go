package server

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/scopegate/scopegate/server/internal/admin"
)

// TestCancelledAtOnce has clients cancel their uploads while these begin: it is no
// fault of the server's, wherever that meets it.
func TestCancelledAtOnce(t *testing.T) {
	t.Parallel()
	w := watch(t, nil, accept)
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := w.client.UploadScopes(ctx)
		if err != nil {
			t.Fatal(err)
		}
		go cancel()
		_ = stream.Send(metadataOf("shop"))
	}
	w.begin(t, "last") // the others have come before it
	s := w.await(t, "their end", func(s admin.Snapshot) bool { return s.UploadCount == 1 })
	for _, f := range s.Finished {
		if f.Code != codes.Canceled.String() {
			t.Errorf("%+v, want Code %v", f, codes.Canceled)
		}
	}
}
