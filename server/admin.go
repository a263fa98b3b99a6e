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

// AdminConfig says what the admin port shows to whom.
type AdminConfig struct {
	// Metrics is what /metrics shows. Required.
	Metrics prometheus.Gatherer
	// Hosts are the names by which the admin port may be asked for, beside loopback
	// names and IP addresses.
	Hosts []string
	// Open shows page and profiles to other hosts too, and not just metrics and
	// health. There are no passwords.
	Open bool
}

const (
	// adminConnections is how many connections the admin port has, of which half may be
	// of one address, and adminConnectionBytes what one holds: a goroutine, buffers and
	// headers.
	adminConnections     = 256
	adminConnectionBytes = 32 << 10

	adminHeaderTimeout  = 5 * time.Second
	adminTimeout        = time.Minute
	adminMaxHeaderBytes = 16 << 10
	// adminGrace is how long answers may take that are under way when ServeAdmin is
	// stopped.
	adminGrace = time.Second
)

// ServeAdmin serves what an operator sees: /metrics, /healthz, /readyz, /debug/pprof/
// and a page at /. docs/operations.md describes it. It may be called before Serve. It
// serves until stop is called, whatever becomes of ctx; that may be after Shutdown, and
// waits for its end.
//
// An answer that takes longer than a minute must move its write deadline itself.
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
		// So that streams of events end when the server does.
		BaseContext: func(net.Listener) context.Context { return requests },
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		limited := &adminListener{Listener: from, connections: connlimit.New(connlimit.Limits{
			Connections: adminConnections, PeerConnections: adminConnections / 2, EvictUsed: true,
		}, s.budget)}
		if err := serving.Serve(limited); !errors.Is(err, http.ErrServerClosed) {
			logger.ErrorContext(ctx, "the admin port has failed", slog.String("error", err.Error()))
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

// adminListener makes room for each connection: anybody who can reach the port can open
// as many as they like.
type adminListener struct {
	net.Listener
	connections *connlimit.Limiter
}

func (l *adminListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if taken := l.connections.Take(conn, adminConnectionBytes); taken != nil {
			return taken, nil
		}
	}
}

// useAdmin has a connection be in use from a request's header on until its answer is
// written.
func useAdmin(conn net.Conn, state http.ConnState) {
	limited, ok := conn.(*connlimit.Conn)
	switch {
	case ok && state == http.StateActive:
		limited.Use()
	case ok && state == http.StateIdle:
		limited.Release()
	}
}
