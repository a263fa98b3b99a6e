package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/spool"
	"github.com/scopegate/scopegate/server/internal/telemetry"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

// Server is a gRPC server with the symbol database service, health checking and
// reflection.
type Server struct {
	grpc        *grpc.Server
	health      *health.Server
	service     *service
	intake      *intake.Client
	connections *connections
	// stopping is closed by stop, which may be called again.
	stopping chan struct{}
	stop     func()
}

// service implements symdb.v1.SymbolDatabaseService.
type service struct {
	symdbv1.UnimplementedSymbolDatabaseServiceServer
	config      Config
	logger      *slog.Logger
	plan        *transcode.Plan
	compressors *encode.Pool
	policy      batch.Policy
	intake      forwarder
	budget      *memory.Budget
	unguard     func()       // lets messages be decompressed again whatever the budget
	spool       *spool.Spool // nil: there is none
	ledger      *telemetry.Ledger
	uploads     uploads
	streams     sync.WaitGroup // what runs beside their handlers
}

// Option is a collaborator of a server.
type Option func(*collaborators)

type collaborators struct{ registry prometheus.Registerer }

// WithRegistry registers the server's metrics with r, which must not have those
// of another server. By default they are registered nowhere.
func WithRegistry(r prometheus.Registerer) Option {
	return func(c *collaborators) { c.registry = r }
}

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

// New returns a server that is ready to serve. It fails on settings that are out
// of range. The intake is not contacted before the first batch.
func New(cfg Config, logger *slog.Logger, opts ...Option) (*Server, error) {
	var with collaborators
	for _, opt := range opts {
		opt(&with)
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure server: %w", err)
	}
	plan, err := compilePlan()
	if err != nil {
		return nil, fmt.Errorf("configure server: %w", err)
	}
	pool, err := encode.NewPool(cfg.encodeSettings())
	if err != nil {
		return nil, fmt.Errorf("configure server: %w", err)
	}
	client, err := intake.New(cfg.Intake.client())
	if err != nil {
		return nil, fmt.Errorf("configure server: %w", err)
	}
	s := &service{
		config:      cfg,
		logger:      logger,
		plan:        plan,
		compressors: pool,
		policy:      cfg.batchPolicy(),
		intake:      client,
		ledger:      telemetry.NewLedger(with.registry),
	}
	if err := s.openMemory(); err != nil {
		return nil, fmt.Errorf("configure server: %w", err)
	}
	server := &Server{
		health: health.NewServer(), service: s, intake: client,
		connections: &connections{limit: int64(cfg.Limits.Connections), budget: s.budget},
		stopping:    make(chan struct{}),
	}
	server.stop = sync.OnceFunc(func() { close(server.stopping) })
	server.grpc = server.newTransport()
	symdbv1.RegisterSymbolDatabaseServiceServer(server.grpc, s)
	healthv1.RegisterHealthServer(server.grpc, server.health)
	server.health.SetServingStatus(symdbv1.SymbolDatabaseService_ServiceDesc.ServiceName, healthv1.HealthCheckResponse_SERVING)
	reflection.Register(server.grpc)
	return server, nil
}

// budgetPercent is the part of the memory limit that can be drawn.
const budgetPercent = 85

// openMemory sets up what the service holds its bytes in.
func (s *service) openMemory() error {
	limits := s.config.Limits
	if limits.SpoolDir != "" {
		opened, err := spool.Open(limits.SpoolDir, limits.SpoolBytes)
		if err != nil {
			return err
		}
		s.spool = opened
	}
	s.budget = memory.New(memory.Limits{
		Bytes:   limits.MemoryBytes / 100 * budgetPercent,
		Uploads: limits.Uploads, CallerUploads: limits.ServiceUploads, CallerBytes: limits.ServiceBytes,
	})
	s.budget.Draw(runtime.GOMAXPROCS(0)*compressorBytes + s.config.Intake.MaxConnections*intakeConnectionBytes + decoderBytes())
	s.unguard = guardDecoders(s.budget)
	return nil
}

// closeMemory gives back what openMemory has set up, when nobody uses it any more.
func (s *service) closeMemory() error {
	s.unguard()
	s.budget.Close()
	if s.spool == nil {
		return nil
	}
	return s.spool.Close()
}

// newTransport returns the gRPC server, without its services.
func (s *Server) newTransport() *grpc.Server {
	cfg, transport := s.service.config, s.service.config.Transport
	pool := newBuffers(s.service.budget)
	recovered := s.service.recovered
	return grpc.NewServer(
		grpc.Creds(&observing{
			TransportCredentials: insecure.NewCredentials(),
			streams:              cfg.Limits.StreamsPerConnection,
			windowBytes:          transport.StreamWindowBytes,
			budget:               s.service.budget, logger: s.service.logger,
		}),
		grpc.ForceServerCodecV2(frameCodec{pool: pool}),
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
			// By then all its streams have reached that age themselves, and were
			// given back. Without it the connection would never be closed.
			MaxConnectionAgeGrace: 2 * cfg.MaxConnectionAge,
		}),
		grpc.StaticStreamWindowSize(int32(transport.StreamWindowBytes)),
		grpc.StaticConnWindowSize(int32(transport.ConnectionWindowBytes)),
		grpc.ChainStreamInterceptor(
			plainStreams,
			s.endWatch,
			// Innermost, so that a panic is logged as the status that it becomes.
			recovery.StreamServerInterceptor(recovery.WithRecoveryHandlerContext(recovered)),
		),
		grpc.ChainUnaryInterceptor(
			plainCalls,
			recovery.UnaryServerInterceptor(recovery.WithRecoveryHandlerContext(recovered)),
		),
	)
}

// compilePlan says how a scope is written: all follows from the proto file but
// the rules for the two fields that protobuf can't express.
func compilePlan() (*transcode.Plan, error) {
	symbol := (&symdbv1.Symbol{}).ProtoReflect().Descriptor().FullName()
	return transcode.Compile((&symdbv1.Scope{}).ProtoReflect().Descriptor(), transcode.Rules{
		Null:     []protoreflect.FullName{symbol + ".type"},
		Required: []protoreflect.FullName{symbol + ".name"},
	})
}

// Serve takes connections from a listener until Shutdown, and then returns
// nil. It can be called for several listeners at the same time.
func (s *Server) Serve(from net.Listener) error {
	err := s.grpc.Serve(&listener{Listener: from, connections: s.connections})
	if err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve %s: %w", from.Addr(), err)
	}
	return nil
}

// endWatch ends the streams of other services when the server stops: one that
// watches its health would keep it from stopping.
func (s *Server) endWatch(
	srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler,
) error {
	if info.FullMethod == symdbv1.SymbolDatabaseService_UploadScopes_FullMethodName {
		return handle(srv, stream)
	}
	ended := make(chan error, 1)
	s.service.streams.Go(func() { ended <- handle(srv, stream) })
	select {
	case err := <-ended:
		return err
	case <-s.stopping:
		return status.Error(codes.Unavailable, "the server is stopping")
	}
}

// Shutdown stops taking connections and uploads, and waits for those in flight.
// Streams that watch its health, or use reflection, are ended at once. When ctx
// ends first, uploads are given back to their clients, with UNAVAILABLE and how
// far they came, and ctx's error is returned. Afterwards no goroutine of the
// server is left.
func (s *Server) Shutdown(ctx context.Context) error {
	s.health.Shutdown()
	s.stop()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.grpc.GracefulStop()
	}()
	var err error
	select {
	case <-stopped:
	case <-ctx.Done():
		err = fmt.Errorf("shut down: %w", ctx.Err())
		s.service.uploads.interrupt(errShuttingDown)
		timer := time.NewTimer(2 * settleTime)
		defer timer.Stop()
		select {
		case <-stopped:
		case <-timer.C:
			s.grpc.Stop()
			<-stopped
		}
	}
	s.service.streams.Wait()
	s.intake.Close()
	return errors.Join(err, s.service.closeMemory())
}
