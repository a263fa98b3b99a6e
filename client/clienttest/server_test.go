package clienttest_test

import (
	"fmt"
	"iter"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/client/clienttest"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/leak"
	"github.com/scopegate/scopegate/server"
)

func TestMain(m *testing.M) { leak.Verify(m) }

func scopes() []*symdbv1.Scope {
	return []*symdbv1.Scope{
		{
			ScopeType: "FILE", Name: new("shop.rb"), EndLine: 1<<31 - 1, HasInjectibleLines: new(false),
			InjectibleLines:   []*symdbv1.LineRange{{Start: 3, End: 4}},
			LanguageSpecifics: &symdbv1.LanguageSpecifics{FileHash: new("12ab"), Arity: new(int32(-1))},
			Symbols: []*symdbv1.Symbol{{
				Name: new("@cart"), SymbolType: "FIELD", Line: new(int32(0)),
				LanguageSpecifics: &symdbv1.LanguageSpecifics{Additional: map[string]*structpb.Value{
					"additional": structpb.NewNumberValue(1.5), "mood": structpb.NewNullValue(),
				}},
			}},
			Scopes: []*symdbv1.Scope{{
				ScopeType: "METHOD", Name: new("total"), StartLine: 3,
				Symbols: []*symdbv1.Symbol{{
					Name: new("n"), SymbolType: "ARG",
					Additional: map[string]*structpb.Value{"unit": structpb.NewStringValue("km")},
				}},
			}},
			Additional: map[string]*structpb.Value{"future": structpb.NewListValue(&structpb.ListValue{})},
		},
		{ScopeType: "FILE", Name: new("")},
	}
}

func sequence(scopes []*symdbv1.Scope) iter.Seq2[*symdbv1.Scope, error] {
	return func(yield func(*symdbv1.Scope, error) bool) {
		for _, scope := range scopes {
			if !yield(scope, nil) {
				return
			}
		}
	}
}

func TestUpload(t *testing.T) {
	t.Parallel()
	s := clienttest.New(t, func(cfg *server.Config) { cfg.FlushThresholdBytes = 0 })
	s.FailNext(1, http.StatusServiceUnavailable)
	metadata := client.Metadata{Service: "shop", Language: "ruby", Env: new(""), ContainerID: "c1", Tags: []string{"team:cart"}}
	result, err := s.Dial(t).Upload(t.Context(), metadata, sequence(scopes()))
	if err != nil {
		t.Fatal(err)
	}
	uploads := s.Uploads()
	if len(uploads) != 1 {
		t.Fatalf("%d uploads, want 1", len(uploads))
	}
	upload := uploads[0]
	if diff := cmp.Diff(scopes(), upload.Scopes, protocmp.Transform()); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
	if upload.ID != result.UploadID || !upload.Final || len(upload.Batches) != 2 {
		t.Fatalf("upload %s of %d batches, final %t; want %s, 2 and true", upload.ID, len(upload.Batches), upload.Final, result.UploadID)
	}
	first := upload.Batches[0]
	if first.Num != 1 || first.Final || len(first.Scopes) != 1 {
		t.Errorf("batch %d, final %t, with %d scopes; want 1, false and 1", first.Num, first.Final, len(first.Scopes))
	}
	want := map[string]any{
		"service": "shop", "env": "", "language": "ruby", "upload_id": upload.ID, "batch_num": 1.0, "final": false,
	}
	if diff := cmp.Diff(want, first.Envelope); diff != "" {
		t.Errorf("envelope (-want +got):\n%s", diff)
	}
	if got := fmt.Sprint(first.Event["service"], first.Header.Get("Datadog-Container-Id"), first.Header.Get("X-Datadog-Additional-Tags")); got != "shop"+"c1"+"team:cart" {
		t.Errorf("service, container and tags are %q, want shop, c1 and team:cart", got)
	}
}

// TestFailNext: the intake fails the given number of times, with statuses that the client
// distinguishes.
func TestFailNext(t *testing.T) {
	t.Parallel()
	s := clienttest.New(t)
	c := s.Dial(t, client.WithMaxAttempts(1))
	s.FailNext(1, http.StatusForbidden)
	s.FailNext(2, http.StatusTooManyRequests)
	for _, want := range []bool{false, true, true} {
		_, err := c.Upload(t.Context(), client.Metadata{Service: "shop", Language: "ruby"}, sequence(scopes()))
		if err == nil || client.IsRetryable(err) != want {
			t.Errorf("got %v, want an error that is retryable: %t", err, want)
		}
	}
	if uploads := s.Uploads(); len(uploads) > 0 {
		t.Errorf("%d uploads, want none", len(uploads))
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	s, err := clienttest.Start(func(cfg *server.Config) { cfg.MaxDepth = -1 })
	if err == nil {
		_ = s.Close()
		t.Error("MaxDepth of -1 was taken")
	}
}
