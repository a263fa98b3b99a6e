package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/intake"
)

// stuck is a way to an intake that heeds no context.
type stuck struct{ entered, release chan struct{} }

func (s stuck) Forward(context.Context, intake.Caller, *batch.Batch) error {
	close(s.entered)
	<-s.release
	return nil
}

// setSettleTime changes the settle time, and the times of Shutdown in proportion.
func setSettleTime(s *Server, settle time.Duration) {
	scale := settle.Seconds() / settleTime.Seconds()
	s.uploads.SettleTime = settle
	s.closeTime = time.Duration(scale * float64(closeTime))
	s.giveUpTime = time.Duration(scale * float64(ShutdownOverrun))
}

// TestShutdownLeavesWhatHangs has a batch hang in what has no deadline: the server
// stops all the same.
func TestShutdownLeavesWhatHangs(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Intake.URL = "http://intake.invalid"
	s, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	setSettleTime(s, time.Millisecond)
	hanging := stuck{make(chan struct{}), make(chan struct{})}
	s.routes.Own.Forwarder = hanging
	listener := listen(t)
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	w := &watched{Server: s, client: symdbv1.NewSymbolDatabaseServiceClient(dial(t, listener.Addr().String()))}
	stream := w.begin(t, "shop")
	send(t, stream, 1)
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	<-hanging.entered
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ended); !errors.Is(err, errStuck) {
		t.Errorf("Shutdown: %v, want %v", err, errStuck)
	}
	close(hanging.release)
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestShutdownAgain: no call fails, at the same time or later, with additional intakes and
// a spool too.
func TestShutdownAgain(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Intake.URL = "http://intake.invalid"
	cfg.AdditionalIntakes.Intakes = []AdditionalIntake{{URL: "http://additional.invalid"}}
	cfg.Limits.SpoolDir = t.TempDir()
	s, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var calls sync.WaitGroup
	for range 3 {
		calls.Go(func() {
			if err := s.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestShutdownHurried: a second call whose ctx has ended hurries the first one.
func TestShutdownHurried(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Intake.URL = "http://intake.invalid"
	s, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	setSettleTime(s, time.Millisecond)
	s.giveUpTime = patience
	listener := listen(t)
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	w := &watched{Server: s, client: symdbv1.NewSymbolDatabaseServiceClient(dial(t, listener.Addr().String()))}
	stream := w.begin(t, "shop")
	patient := make(chan error, 1)
	go func() { patient <- s.Shutdown(t.Context()) }()
	await(t, "stopping", s.isStopping)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("the second Shutdown: %v", err)
	}
	if err := <-patient; !errors.Is(err, context.Canceled) {
		t.Errorf("the first Shutdown: %v", err)
	}
	if _, err := stream.CloseAndRecv(); err == nil {
		t.Error("the stream has not ended")
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
