package server

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/connlimit"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/logs"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/upload"
)

// pingInterval and pingTimeout find clients that are gone without a word.
const (
	pingInterval = time.Minute
	pingTimeout  = 20 * time.Second
)

// readBufferBytes is what a connection holds for reading small frames in one go.
// Large ones are read past it.
const readBufferBytes = 8 << 10

// messageLimitFactor is how much longer than the longest scope a message may be
// before gRPC breaks the stream off, with a status of its own that names nothing.
// Up to there it is read, and refused with one that names the scope.
const messageLimitFactor = 2

const (
	// unusedTimeout is how long a connection may be open before its first upload, while
	// it has no stream.
	unusedTimeout = 30 * time.Second
	// idlePercent is how much of what the server does not hold at its start connections
	// without an upload may hold together.
	idlePercent = 50
)

// newConnections returns what keeps account of the connections of all listeners.
func newConnections(cfg LimitsConfig, budget *memory.Budget, n *logs.Limiter) *connlimit.Limiter {
	return connlimit.New(connlimit.Limits{
		Connections: cfg.Connections, PeerConnections: cfg.peerConnections(),
		IdleBytes: (budget.LimitBytes() - budget.DrawnBytes()) / 100 * idlePercent, UnusedTimeout: unusedTimeout,
		OnEvict: func(client net.Addr) {
			n.Info("connection without an upload closed, to make room for others",
				slog.String("peer", client.String()))
		},
	}, budget)
}

// newTransport returns the gRPC server, without its services.
func (s *Server) newTransport() *grpc.Server {
	cfg, transport := s.config, s.config.Transport
	pool := grpcwire.NewBuffers(s.budget)
	streams, calls := s.interceptors()
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
		grpc.ForceServerCodecV2(grpcwire.Codec{Pool: pool}),
		experimental.BufferPool(pool),
		grpc.ReadBufferSize(readBufferBytes),
		grpc.MaxRecvMsgSize(messageLimitFactor*max(cfg.MaxScopeBytes, cfg.MaxMetadataBytes)),
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
			// By then all its streams have reached that age themselves, or had no
			// metadata in time, and were given back, which takes settleTime. Without
			// it the connection would never be closed.
			MaxConnectionAgeGrace: 2 * (max(cfg.MaxConnectionAge, cfg.Limits.FirstMessageTimeout) + settleTime),
		}),
		grpc.StaticStreamWindowSize(int32(transport.StreamWindowBytes)),
		grpc.StaticConnWindowSize(int32(transport.ConnectionWindowBytes)),
		grpc.InTapHandle(s.door.open),
		grpc.ChainStreamInterceptor(streams...),
		grpc.ChainUnaryInterceptor(calls...),
	)
}

// interceptors returns what stands around each stream and call. There are few, as each
// takes its part of a stream's stack.
func (s *Server) interceptors() ([]grpc.StreamServerInterceptor, []grpc.UnaryServerInterceptor) {
	recovered := recovery.WithRecoveryHandlerContext(func(ctx context.Context, panicked any) error {
		return upload.Status(s.uploads.Recovered(ctx, panicked), nil)
	})
	return []grpc.StreamServerInterceptor{s.enterStream, recovery.StreamServerInterceptor(recovered)},
		[]grpc.UnaryServerInterceptor{
			plainCalls, s.metrics.rpc.UnaryServerInterceptor(), recovery.UnaryServerInterceptor(recovered),
		}
}

// enterStream ends the streams that the door has refused, and passes on the others. What
// it keeps on the stack every upload keeps.
func (s *Server) enterStream(
	srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler,
) error {
	ctx := stream.Context()
	conn := grpcwire.ConnOf(ctx)
	conn.Enter()
	err := refuse(ctx)
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

// serveOther serves a stream of another service than the uploads. It counts it, and ends
// it when the server stops: one that watches its health would keep it from stopping.
func (s *Server) serveOther(
	srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler,
) error {
	ctx := stream.Context()
	if err := grpcwire.AnswerPlain(ctx); err != nil {
		return upload.Status(cmp.Or(context.Cause(ctx), err), nil)
	}
	ended := make(chan error, 1)
	counted := s.metrics.rpc.StreamServerInterceptor()
	s.goroutines.Go(func() { ended <- counted(srv, stream, info, handle) })
	select {
	case err := <-ended:
		if ctx.Err() == nil {
			return err
		}
	case <-ctx.Done():
	case <-s.stopping:
		return status.Error(codes.Unavailable, "the server is stopping")
	}
	return upload.Status(context.Cause(ctx), nil) // its time has passed, or its place was needed
}

// plainCalls ends the calls that the door has refused, and has the others be answered
// uncompressed.
func plainCalls(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	conn := grpcwire.ConnOf(ctx)
	conn.Enter()
	defer conn.Exit()
	if err := refuse(ctx); err != nil {
		return nil, err
	}
	if err := grpcwire.AnswerPlain(ctx); err != nil {
		return nil, status.FromContextError(err).Err()
	}
	return handle(ctx, request)
}
