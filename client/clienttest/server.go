// Package clienttest provides a scopegate server for testing programs that upload with
// package client. It is the real server, running in the test's process. It posts to an
// intake that records each batch, and rejects batches on request.
//
// Start with [New], or outside tests with [Start]. Then dial the server's address, let the
// program upload, and check [Server.Uploads].
//
// The package imports package server, so only tests should import it.
package clienttest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/server"
)

// Server is a server and its intake. It is safe for concurrent use.
type Server struct {
	server  *server.Server
	address string
	served  chan error
	intake  *intake
	web     *httptest.Server
	close   func() error
}

// New starts a server that stops when the test ends. Each function may change the server's
// settings, see [server.Config].
func New(tb testing.TB, configure ...func(*server.Config)) *Server {
	tb.Helper()
	s, err := Start(configure...)
	if err != nil {
		tb.Fatalf("clienttest: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("clienttest: %v", err)
		}
	})
	return s
}

// Start starts a server on a free port of 127.0.0.1. The caller must close it. Each
// function may change the server's settings.
//
// The settings are the defaults, except that the server does not retry a batch by itself,
// so that the client sees each failure of the intake.
func Start(configure ...func(*server.Config)) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &Server{address: listener.Addr().String(), served: make(chan error, 1), intake: newIntake()}
	s.web = httptest.NewServer(s.intake)
	cfg := server.DefaultConfig()
	cfg.Intake.URL = s.web.URL + "/symdb/v1/input"
	cfg.Intake.BatchDeadline = time.Nanosecond
	for _, change := range configure {
		change(&cfg)
	}
	s.server, err = server.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		s.web.Close()
		return nil, errors.Join(fmt.Errorf("start: %w", err), listener.Close())
	}
	go func() { s.served <- s.server.Serve(listener) }()
	s.close = sync.OnceValue(s.shutDown)
	return s, nil
}

// shutdownTime is how long open uploads have to end.
const shutdownTime = 5 * time.Second

// Close stops the server and its intake. Open uploads have 5 seconds to end. Closing twice
// is harmless.
func (s *Server) Close() error { return s.close() }

func (s *Server) shutDown() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	err := errors.Join(s.server.Shutdown(ctx), <-s.served)
	s.web.Close()
	if err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

// Addr returns the server's address, in the form that [client.Dial] accepts.
func (s *Server) Addr() string { return s.address }

// Dial returns a client of the server, which is closed when the test ends.
func (s *Server) Dial(tb testing.TB, options ...client.Option) *client.Client {
	tb.Helper()
	c, err := client.Dial(s.address, options...)
	if err != nil {
		tb.Fatalf("clienttest: %v", err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Errorf("clienttest: %v", err)
		}
	})
	return c
}

// FailNext makes the intake reject the next n batches with the HTTP status. After 408, 429, 500,
// 502, 503 and 504, the server asks the client to retry after a second; other statuses are permanent.
func (s *Server) FailNext(n, status int) { s.intake.failNext(n, status) }

// Uploads returns the uploads with accepted batches, in the order of their first batches.
func (s *Server) Uploads() []Upload { return s.intake.snapshot() }
