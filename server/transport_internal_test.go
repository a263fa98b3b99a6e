package server

import (
	"log/slog"
	"testing"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/scopegate/scopegate/server/internal/upload"
)

// TestWatchersBeyondMemory: nobody begins to watch the server's health while more is
// held than there is, but whoever asks for it is told.
func TestWatchersBeyondMemory(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Intake.URL = "http://intake.invalid/"
	s, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	address, _ := serve(t, s)
	health := healthv1.NewHealthClient(dial(t, address))
	watch := func() error {
		stream, err := health.Watch(t.Context(), &healthv1.HealthCheckRequest{})
		if err != nil {
			return err
		}
		_, err = stream.Recv()
		return err
	}
	before := s.budget.DrawnBytes()
	if err := watch(); err != nil {
		t.Error(err)
	}
	if drawn := s.budget.DrawnBytes() - before; drawn < upload.StreamBytes {
		t.Errorf("%d bytes are drawn for it, want at least %v", drawn, upload.StreamBytes)
	}
	excess := int(s.budget.LimitBytes())
	s.budget.Draw(excess)
	defer s.budget.Draw(-excess)
	if err := watch(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("%v, want RESOURCE_EXHAUSTED", err)
	}
	if _, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil {
		t.Error(err)
	}
}
