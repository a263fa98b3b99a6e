package testbed

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/integration/wait"
	"github.com/scopegate/scopegate/server"
)

// Server is a server under test, in this process.
type Server struct {
	*server.Server
	// Served brings what Serve has returned, once.
	Served <-chan error
	// Metrics has the server's.
	Metrics *prometheus.Registry

	listener net.Listener
	log      *serverLog
	stopOnce sync.Once
}

// StartServer starts a server that stops when the test ends. Then the test fails
// if the server does not stop gracefully, has logged a panic, has a secret in its
// log or its metrics, or has lost account of a scope or a batch.
// Listener and configure may be nil.
func StartServer(
	tb testing.TB, intakeURL string, listener net.Listener, configure func(*server.Config), options ...server.Option,
) *Server {
	tb.Helper()
	cfg := server.DefaultConfig()
	cfg.Intake.URL = intakeURL
	cfg.Intake.APIKey = server.NewSecret(Canary)
	cfg.Intake.PostTimeout = patience
	cfg.Intake.BatchDeadline = patience
	if configure != nil {
		configure(&cfg)
	}
	if listener == nil {
		listener = Listen(tb, "tcp", "127.0.0.1:0")
	}
	s := &Server{Metrics: prometheus.NewRegistry(), listener: listener, log: &serverLog{}}
	var err error
	logger := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.Server, err = server.New(cfg, logger, append(options, server.WithRegistry(s.Metrics))...)
	if err != nil {
		tb.Fatalf("new server: %v", err)
	}
	served := make(chan error, 1)
	s.Served = served
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := s.Serve(listener)
		if err != nil {
			tb.Errorf("serve: %v", err)
		}
		served <- err
	}()
	tb.Cleanup(func() {
		s.stop(tb)
		<-ended
		s.log.check(tb)
		requireBalance(tb, s.Metrics)
	})
	return s
}

// Target is the server's address as gRPC names it.
func (s *Server) Target() string {
	if addr := s.listener.Addr(); addr.Network() == "unix" {
		return "unix://" + addr.String()
	}
	return s.listener.Addr().String()
}

// Logged tells how often a text is in what the server has logged lately.
func (s *Server) Logged(text string) int {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return bytes.Count(s.log.text.Bytes(), []byte(text))
}

// AwaitLogged waits until the server has logged a text.
func (s *Server) AwaitLogged(tb testing.TB, text string) {
	tb.Helper()
	wait.Until(tb, "a log with "+text, func() string {
		s.log.mu.Lock()
		defer s.log.mu.Unlock()
		return s.log.text.String()
	}, func(log string) bool { return strings.Contains(log, text) })
}

func (s *Server) stop(tb testing.TB) {
	tb.Helper()
	s.stopOnce.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			tb.Errorf("the server did not stop gracefully: %v", err)
		}
	})
}

// Listen returns a listener that is closed when the test ends.
func Listen(tb testing.TB, network, address string) net.Listener {
	tb.Helper()
	listener, err := new(net.ListenConfig).Listen(tb.Context(), network, address)
	if err != nil {
		tb.Fatalf("listen: %v", err)
	}
	tb.Cleanup(func() { _ = listener.Close() })
	return listener
}

// serverLog keeps the end of what a server logs, and whether there was anything in
// it that must not be. It is safe for concurrent use.
type serverLog struct {
	mu        sync.Mutex
	text      bytes.Buffer
	forbidden []string
}

// keptLogBytes is how much of the end of a log is kept at least, and half of how
// much at most: a test that measures the heap may have much logged.
const keptLogBytes = 32 << 10

// Write never fails.
func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text.Len()+len(p) > 2*keptLogBytes {
		l.search()
		l.text.Next(l.text.Len() - min(l.text.Len(), keptLogBytes))
	}
	return l.text.Write(p)
}

// search notes what is in the text and must not be.
func (l *serverLog) search() {
	for _, forbidden := range []string{Canary, "panic in a handler"} {
		if bytes.Contains(l.text.Bytes(), []byte(forbidden)) && !slices.Contains(l.forbidden, forbidden) {
			l.forbidden = append(l.forbidden, forbidden)
		}
	}
}

func (l *serverLog) check(tb testing.TB) {
	tb.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.search()
	for _, forbidden := range l.forbidden {
		tb.Errorf("the server has logged %q", forbidden)
	}
	if tb.Failed() {
		tb.Logf("the server's log, its end:\n%s", l.text.Bytes()[max(0, l.text.Len()-8<<10):])
	}
}

// Client returns a client of the server, which is closed when the test ends.
func (s *Server) Client(tb testing.TB) *client.Client {
	tb.Helper()
	c, err := client.Dial(s.Target())
	if err != nil {
		tb.Fatalf("dial: %v", err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}
