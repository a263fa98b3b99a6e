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
	// Served receives the result of Serve, once.
	Served <-chan error
	// Metrics has the server's metrics.
	Metrics *prometheus.Registry

	listener net.Listener
	log      *serverLog
	stopOnce sync.Once
}

// StartServer starts a server that stops when the test ends. The test then fails if the
// server does not stop gracefully, has logged a panic, has a secret in its log or metrics,
// or has a scope or batch without an outcome. listener and configure may be nil.
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

// Target returns the server's address in gRPC's form.
func (s *Server) Target() string {
	if addr := s.listener.Addr(); addr.Network() == "unix" {
		return "unix://" + addr.String()
	}
	return s.listener.Addr().String()
}

// Logged returns how often a text is in the end of the server's log.
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

// serverLog keeps the end of a server's log, and whether the log has something forbidden
// in it. It is safe for concurrent use.
type serverLog struct {
	mu        sync.Mutex
	text      bytes.Buffer
	forbidden []string
}

// keptLogBytes is the least that is kept of the end of a log, and half of the most. There
// is a limit because tests that measure the heap may log a lot.
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

// search records which forbidden strings are in the text.
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
		tb.Logf("the end of the server's log:\n%s", l.text.Bytes()[max(0, l.text.Len()-8<<10):])
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

// requireBalance fails the test unless everything that a stopped server received has an
// outcome.
func requireBalance(tb testing.TB, registry prometheus.Gatherer) {
	tb.Helper()
	families, err := registry.Gather()
	if err != nil {
		tb.Errorf("gather metrics: %v", err)
	}
	sums := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if strings.Contains(label.GetValue(), Canary) {
					tb.Errorf("metric %s has a secret in its label %s", family.GetName(), label.GetName())
				}
			}
			sums[family.GetName()] += metric.GetCounter().GetValue()
		}
	}
	for in, out := range map[string]string{
		"scopegate_scopes_received_total": "scopegate_scopes_total",
		"scopegate_batches_sealed_total":  "scopegate_batches_total",
	} {
		if _, ok := sums[in]; !ok {
			tb.Errorf("there is no metric %s", in)
		}
		if sums[in] != sums[out] {
			tb.Errorf("the ledger does not balance: %s is %v, the outcomes in %s are %v", in, sums[in], out, sums[out])
		}
	}
}
