package server

import (
	"context"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/selector"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/experimental"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
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

// newTransport returns the gRPC server, without its services.
func (s *Server) newTransport() *grpc.Server {
	cfg, transport := s.config, s.config.Transport
	pool := grpcwire.NewBuffers(s.budget)
	streams, calls := s.interceptors()
	return grpc.NewServer(
		s.spans(),
		grpc.Creds(&observing{
			TransportCredentials: s.credentials(),
			streams:              cfg.Limits.StreamsPerConnection,
			windowBytes:          transport.StreamWindowBytes,
			budget:               s.budget, logger: s.logger,
			ended: s.metrics.connectionsEnded,
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
			// metadata in time, and were given back, which takes a few seconds. Without
			// it the connection would never be closed.
			MaxConnectionAgeGrace: 2 * (max(cfg.MaxConnectionAge, cfg.Limits.FirstMessageTimeout) + stopTime/2),
		}),
		grpc.StaticStreamWindowSize(int32(transport.StreamWindowBytes)),
		grpc.StaticConnWindowSize(int32(transport.ConnectionWindowBytes)),
		grpc.ChainStreamInterceptor(streams...),
		grpc.ChainUnaryInterceptor(calls...),
	)
}

// interceptors returns what stands around each stream and call. Who calls is asked
// only where it matters, as each interceptor takes its part of a stream's stack.
func (s *Server) interceptors() ([]grpc.StreamServerInterceptor, []grpc.UnaryServerInterceptor) {
	recovered := recovery.WithRecoveryHandlerContext(func(ctx context.Context, panicked any) error {
		return upload.Status(s.uploads.Recovered(ctx, panicked), nil)
	})
	streams := []grpc.StreamServerInterceptor{s.limitOtherStreams, recovery.StreamServerInterceptor(recovered)}
	calls := []grpc.UnaryServerInterceptor{
		grpcwire.PlainCalls, s.metrics.rpc.UnaryServerInterceptor(), recovery.UnaryServerInterceptor(recovered),
	}
	if s.access.Asks() {
		streams = append(streams, selector.StreamServerInterceptor(auth.StreamServerInterceptor(s.authenticate), guarded))
		calls = append(calls, selector.UnaryServerInterceptor(auth.UnaryServerInterceptor(s.authenticate), guarded))
	}
	return streams, calls
}

// authenticate is an auth.AuthFunc.
func (s *Server) authenticate(ctx context.Context) (context.Context, error) {
	known, err := s.access.Authenticate(ctx)
	if err != nil {
		return nil, upload.Status(err, nil)
	}
	return known, nil
}

// guarded matches what asks for a credential: all but the health of the server,
// which is for those who have none, such as a load balancer.
var guarded = selector.MatchFunc(func(_ context.Context, call interceptors.CallMeta) bool {
	return call.Service != healthv1.Health_ServiceDesc.ServiceName
})

// limitOtherStreams draws what the streams of other services hold, and refuses them where
// there is no room. It counts them, and ends them when the server stops: one that watches
// its health would keep it from stopping.
func (s *Server) limitOtherStreams(
	srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler,
) error {
	if info.FullMethod == symdbv1.SymbolDatabaseService_UploadScopes_FullMethodName {
		return handle(srv, stream)
	}
	if err := grpcwire.AnswerPlain(stream.Context()); err != nil {
		return status.FromContextError(err).Err()
	}
	const bytes = upload.StreamBytes + grpcwire.MaxCallBytes
	s.budget.Draw(bytes)
	defer s.budget.Draw(-bytes)
	if s.budget.Exceeded() {
		return upload.Status(upload.ErrMemory, nil)
	}
	ended := make(chan error, 1)
	counted := s.metrics.rpc.StreamServerInterceptor()
	s.goroutines.Go(func() { ended <- counted(srv, stream, info, handle) })
	select {
	case err := <-ended:
		return err
	case <-s.stopping:
		return status.Error(codes.Unavailable, "the server is stopping")
	}
}
