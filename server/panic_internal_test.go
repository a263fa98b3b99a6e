package server

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/wait"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/intake"
)

// panicking is a way to an intake that panics, with itself: with all that it has.
type panicking struct{ config intake.Config }

func (p panicking) Forward(context.Context, intake.Caller, *batch.Batch) error {
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
	s.routes.Own.Forwarder = panicking{s.config.Intake.client(s.version)}
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

// scripted is a way to an intake that does as the next function says, and what the
// last one does from then on.
type scripted struct {
	mu    sync.Mutex
	steps []func() error
}

func (s *scripted) Forward(context.Context, intake.Caller, *batch.Batch) error {
	s.mu.Lock()
	step := s.steps[0]
	if len(s.steps) > 1 {
		s.steps = s.steps[1:]
	}
	s.mu.Unlock()
	return step()
}

// TestPanicIsInTheLedger has a panic in the middle of forwarding batches: each of
// them is entered in the ledger, and what it held is given back.
func TestPanicIsInTheLedger(t *testing.T) {
	t.Parallel()
	accepts := func() error { return nil }
	tooLarge := func() error { return &intake.Error{HTTPStatus: http.StatusRequestEntityTooLarge} }
	panics := func() error { panic("scripted") }
	for name, steps := range map[string][]func() error{
		"the first batch":   {panics},
		"a later batch":     {accepts, accepts, panics},
		"a part of a batch": {tooLarge, panics},
		"the second part":   {accepts, tooLarge, accepts, panics},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, func(c *Config) { c.FlushThresholdRawBytes = 1000 }) // run looks at what is drawn
			r.routes.Own.Forwarder = &scripted{steps: steps}
			w := &watched{Server: r.Server, client: symdbv1.NewSymbolDatabaseServiceClient(dial(t, r.address))}
			stream := w.begin(t, "shop")
			for i := range 400 {
				scope := &symdbv1.Scope{ScopeType: "package", Name: new(fmt.Sprint("main", i))}
				err := stream.Send(&symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Scope{Scope: scope}})
				if err != nil {
					break // it has ended
				}
			}
			if _, err := stream.CloseAndRecv(); status.Code(err) != codes.Internal {
				t.Errorf("%v, want INTERNAL", err)
			}
			wait.Equal(t, "the stream's end", r.uploads.InFlight, 0)
			counts := &r.uploads.Counts
			sealed := counts.BatchesSealed.Load()
			ended := counts.BatchesAccepted.Load() + counts.BatchesRefused.Load() + counts.BatchesGivenBack.Load()
			if sealed == 0 || sealed != ended {
				t.Errorf("%v batches were sealed, and %v have ended, want as many, and some", sealed, ended)
			}
			received := counts.ScopesReceived.Load()
			ended = counts.ScopesAccepted.Load() + counts.ScopesRefused.Load() + counts.ScopesGivenBack.Load()
			if received == 0 || received != ended {
				t.Errorf("%v scopes were received, and %v have ended, want as many, and some", received, ended)
			}
		})
	}
}
