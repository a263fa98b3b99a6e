package server

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/intake"
)

// panicking is a way to an intake that panics, with itself: with all that it has.
type panicking struct{ config intake.Config }

func (p panicking) ForwardFor(context.Context, intake.Sender, *batch.Batch) error {
	panic(p.config.APIKey)
}

// TestPanicTellsNoSecret has a panic in the middle of an upload be told as a fault
// of the server, and logged without the secrets that stand around it.
func TestPanicTellsNoSecret(t *testing.T) {
	t.Parallel()
	const canary = "canary5b1e"
	cfg := DefaultConfig()
	cfg.Intake.URL = "http://" + canary + ":" + canary + "@intake.example/?token=" + canary
	cfg.Intake.APIKey = NewSecret(canary)
	var log bytes.Buffer
	s, err := New(cfg, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	s.routes.Own.Forwarder = panicking{s.config.Intake.client()}
	address, stop := serve(t, s)
	stream, err := symdbv1.NewSymbolDatabaseServiceClient(dial(t, address)).UploadScopes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, request := range []*symdbv1.UploadScopesRequest{
		{Payload: &symdbv1.UploadScopesRequest_Metadata{Metadata: &symdbv1.UploadMetadata{Service: "s", Language: "go"}}},
		{Payload: &symdbv1.UploadScopesRequest_Scope{Scope: &symdbv1.Scope{ScopeType: "package"}}},
	} {
		if err := stream.Send(request); err != nil {
			t.Fatal(err)
		}
	}
	_, err = stream.CloseAndRecv()
	if status.Code(err) != codes.Internal {
		t.Errorf("%v, want INTERNAL", err)
	}
	stop()
	if !strings.Contains(log.String(), "panic in a handler") {
		t.Errorf("the panic is not logged:\n%s", &log)
	}
	for _, text := range []string{log.String(), prototext.Format(status.Convert(err).Proto()), fmt.Sprintf("%+v %#v", cfg.Intake.APIKey, s)} {
		if strings.Contains(text, canary) {
			t.Errorf("a secret is told: %.2000s", text)
		}
	}
}
