package server

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"google.golang.org/grpc"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/connlimit"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/logs"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/upload"
)

// pingInterval and pingTimeout detect clients that have vanished.
const (
	pingInterval = time.Minute
	pingTimeout  = 20 * time.Second
)

// readBufferBytes is the size of a connection's read buffer. Small frames are read through
// it, large ones past it.
const readBufferBytes = 8 << 10

const (
	// unusedTimeout is how long a connection that never had an upload may be open
	// without a stream.
	unusedTimeout = 30 * time.Second
	// idlePercent limits the memory of connections without an upload, in percent of
	// what is free at the start.
	idlePercent = 50
)

// newConnections returns the limiter of all listeners' connections.
func newConnections(cfg LimitsConfig, budget *memory.Budget, n *logs.Limiter) *connlimit.Limiter {
	return connlimit.New(connlimit.Limits{
		Connections: cfg.Connections, PeerConnections: cfg.peerConnections(),
		// 0 would mean no limit.
		IdleBytes: max(1, (budget.LimitBytes()-budget.DrawnBytes())/100*idlePercent), UnusedTimeout: unusedTimeout,
		OnEvict: func(client net.Addr) {
			n.Info("closed an idle connection to make room",
				slog.String("peer", client.String()))
		},
	}, budget)
}

// newTransport returns the gRPC server, without its services. Uploads receive their messages
// themselves.
func (s *Server) newTransport(pool mem.BufferPool) *grpc.Server {
	cfg, transport := s.config, s.config.Transport
	return grpc.NewServer(
		s.spans(),
		grpc.Creds(&grpcwire.Observing{
			TransportCredentials: s.credentials(),
			Streams:              cfg.Limits.StreamsPerConnection,
			WindowBytes:          transport.StreamWindowBytes,
			HeaderListBytes:      transport.MaxHeaderListBytes,
			Log:                  s.limitedLog,
			Ended:                s.metrics.connectionsEnded,
		}),
		experimental.BufferPool(pool),
		grpc.ReadBufferSize(readBufferBytes),
		grpc.WriteBufferSize(grpcwire.WriteBufferBytes),
		grpc.MaxRecvMsgSize(grpcwire.MaxCallBytes),
		grpc.MaxHeaderListSize(uint32(transport.MaxHeaderListBytes)),
		grpc.MaxConcurrentStreams(uint32(cfg.Limits.StreamsPerConnection)),
		grpc.ConnectionTimeout(transport.HandshakeTimeout),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime: transport.MinPingInterval, PermitWithoutStream: true,
		}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time:              pingInterval,
			Timeout:           pingTimeout,
			MaxConnectionIdle: cfg.Limits.IdleTimeout,
			MaxConnectionAge:  cfg.MaxConnectionAge,
			// By then all its streams have reached their own age, or sent no metadata in time,
			// and have settled. Without a grace the connection would never close.
			MaxConnectionAgeGrace: 2 * (max(cfg.MaxConnectionAge, cfg.Limits.FirstMessageTimeout) + settleTime),
		}),
		grpc.StaticStreamWindowSize(int32(transport.StreamWindowBytes)),
		grpc.StaticConnWindowSize(int32(transport.ConnectionWindowBytes)),
		grpc.InTapHandle(s.door.open),
		grpc.StreamInterceptor(s.enterStream),
		grpc.ChainUnaryInterceptor(
			plainCalls, s.metrics.rpc.UnaryServerInterceptor(), recovery.UnaryServerInterceptor(s.recovery())),
	)
}

// recovery returns the option that turns a panic into a status.
func (s *Server) recovery() recovery.Option {
	return recovery.WithRecoveryHandlerContext(func(ctx context.Context, panicked any) error {
		return upload.Status(s.uploads.Recovered(ctx, panicked), nil)
	})
}

// enterStream ends streams that the door has refused and serves the others. It is the only
// interceptor of uploads, and its frame is small, because both are part of each upload's stack.
func (s *Server) enterStream(
	srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler,
) error {
	ctx := stream.Context()
	conn := grpcwire.ConnOf(ctx)
	conn.Enter()
	err := takeRefusal(ctx)
	switch {
	case err != nil:
	case info.FullMethod == symdbv1.SymbolDatabaseService_UploadScopes_FullMethodName:
		err = handle(srv, stream)
	default:
		err = s.serveOther(srv, stream, info, handle)
	}
	conn.Exit() // no panic gets here
	return err
}

// serveOther serves and counts a stream of any service but uploads. It ends the stream
// when the server stops, since a health watch would last forever.
func (s *Server) serveOther(
	srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler,
) error {
	ctx := stream.Context()
	if err := grpcwire.AnswerPlain(ctx); err != nil {
		return upload.Status(cmp.Or(context.Cause(ctx), err), nil)
	}
	ended := make(chan error, 1)
	counted, recovering := s.metrics.rpc.StreamServerInterceptor(), recovery.StreamServerInterceptor(s.recovery())
	s.goroutines.Go(func() {
		ended <- counted(srv, stream, info, func(srv any, stream grpc.ServerStream) error {
			return recovering(srv, stream, info, handle)
		})
	})
	select {
	case err := <-ended:
		if ctx.Err() == nil {
			return err
		}
	case <-ctx.Done():
	case <-s.stopping:
		return upload.Status(upload.ErrShuttingDown, nil)
	}
	return upload.Status(context.Cause(ctx), nil)
}

// plainCalls ends calls that the door has refused and serves the others, with answers that
// are not compressed.
func plainCalls(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	conn := grpcwire.ConnOf(ctx)
	conn.Enter()
	defer conn.Exit()
	if err := takeRefusal(ctx); err != nil {
		return nil, err
	}
	if err := grpcwire.AnswerPlain(ctx); err != nil {
		return nil, upload.Status(err, nil)
	}
	return handle(ctx, request)
}
