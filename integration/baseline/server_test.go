package baseline_test

import (
	"encoding/base64"
	"math/rand/v2"
	"net/http/httptest"
	"testing"

	"google.golang.org/grpc"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/baseline"
	"github.com/scopegate/scopegate/integration/grpctest"
	"github.com/scopegate/scopegate/server/devintake"
)

// TestUploadIsAccepted: the baseline is a fair one only if the intake takes what
// it sends, in one batch and in several.
func TestUploadIsAccepted(t *testing.T) {
	t.Parallel()
	in, err := devintake.New(devintake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(in)
	t.Cleanup(web.Close)
	srv := grpc.NewServer()
	symdbv1.RegisterSymbolDatabaseServiceServer(srv, baseline.NewService(web.URL+"/symdb/v1/input"))
	c, err := client.Dial(grpctest.Serve(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})

	for _, test := range []struct {
		name                  string
		scopeCount, nameBytes int
	}{
		{"one batch", 3, 10},
		{"several batches", 8, 900 << 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			up, err := c.OpenStream(t.Context(), client.Metadata{Service: "a\"b", Version: new("1"), Language: "go"})
			if err != nil {
				t.Fatal(err)
			}
			name := noise(test.nameBytes)
			for range test.scopeCount {
				if err := up.Send(&symdbv1.Scope{ScopeType: "package", Name: &name}); err != nil {
					t.Fatal(err)
				}
			}
			result, err := up.CloseAndReceive()
			if err != nil {
				t.Fatal(err)
			}
			got, _ := in.Upload(up.ID())
			if !got.Complete || len(got.Violations) != 0 || got.ScopeCount != test.scopeCount ||
				got.BatchCount != int(result.BatchCount) || got.RawBytes != result.RawBytes {
				t.Errorf("the intake has %+v, want it complete, with %d scopes, and as the result says: %+v", got, test.scopeCount, result)
			}
			if several := test.nameBytes > 10; several != (got.BatchCount > 1) {
				t.Errorf("%d batches, want several: %v", got.BatchCount, several)
			}
		})
	}
}

// noise returns text that compresses badly.
func noise(length int) string {
	random := make([]byte, base64.RawURLEncoding.DecodedLen(length))
	_, _ = rand.NewChaCha8([32]byte{}).Read(random)
	return base64.RawURLEncoding.EncodeToString(random)
}
