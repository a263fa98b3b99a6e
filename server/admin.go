package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scopegate/scopegate/server/internal/admin"
	"github.com/scopegate/scopegate/server/internal/connlimit"
)

// AdminConfig configures the admin port.
type AdminConfig struct {
	// Metrics is served at /metrics. Required.
	Metrics prometheus.Gatherer
	// Hosts lists the host names that requests may have, besides loopback names and IP
	// addresses.
	Hosts []string
	// Open serves the page and the profiles to other hosts too, not only metrics and
	// health. There are no passwords.
	Open bool
}

const (
	// adminConnections limits the admin port's open connections; one address may have
	// half of them. adminConnectionBytes is what one holds: a goroutine, buffers and
	// headers.
	adminConnections     = 256
	adminConnectionBytes = 32 << 10

	adminHeaderTimeout  = 5 * time.Second
	adminTimeout        = time.Minute
	adminMaxHeaderBytes = 16 << 10
	// adminGrace is how long requests in flight may take when ServeAdmin stops.
	adminGrace = time.Second
)

// ServeAdmin serves /metrics, /healthz, /readyz, /debug/pprof/, a status page at / and
// its [Status] at /status.json.
// docs/operations.md describes them. ServeAdmin may be called before Serve. It serves
// until stop is called, even if ctx ends first. Stop returns when no request is in flight;
// it may be called after Shutdown.
//
// A handler that writes for longer than a minute must extend its write deadline.
func (s *Server) ServeAdmin(ctx context.Context, from net.Listener, cfg AdminConfig) (stop func()) {
	ctx = context.WithoutCancel(ctx)
	requests, cancel := context.WithCancel(ctx)
	logger := s.logger
	serving := &http.Server{
		Handler:           s.adminHandler(cfg),
		ReadHeaderTimeout: adminHeaderTimeout,
		ReadTimeout:       adminHeaderTimeout,
		WriteTimeout:      adminTimeout,
		IdleTimeout:       adminTimeout,
		MaxHeaderBytes:    adminMaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		ConnState:         useAdmin,
		// Event streams end when stop is called.
		BaseContext: func(net.Listener) context.Context { return requests },
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		limited := &adminListener{Listener: from, connections: connlimit.New(connlimit.Limits{
			Connections: adminConnections, PeerConnections: adminConnections / 2, EvictUsed: true,
		}, s.budget)}
		if err := serving.Serve(limited); !errors.Is(err, http.ErrServerClosed) {
			logger.ErrorContext(ctx, "admin port failed", slog.String("error", err.Error()))
		}
	}()
	return func() {
		cancel()
		grace, done := context.WithTimeout(ctx, adminGrace)
		defer done()
		if serving.Shutdown(grace) != nil {
			_ = serving.Close()
		}
		<-ended
	}
}

func (s *Server) adminHandler(cfg AdminConfig) http.Handler {
	return admin.NewHandler(admin.Config{
		Metrics: cfg.Metrics, Ready: s.Ready, Page: s.StatusPage(), Hosts: cfg.Hosts, Open: cfg.Open,
	})
}

// adminListener limits connections. A new one evicts another, so that nobody can lock
// operators out by opening many.
type adminListener struct {
	net.Listener
	connections *connlimit.Limiter
}

func (l *adminListener) Accept() (net.Conn, error) {
	taken, err := l.connections.Accept(l.Listener, adminConnectionBytes, func(net.Conn) {})
	if err != nil {
		return nil, err // not a nil *connlimit.Conn in the interface
	}
	return taken, nil
}

// useAdmin marks a connection as used from a request's header until its answer is written.
func useAdmin(conn net.Conn, state http.ConnState) {
	limited, ok := conn.(*connlimit.Conn)
	switch {
	case ok && state == http.StateActive:
		limited.Use()
	case ok && state == http.StateIdle:
		limited.Release()
	}
}
