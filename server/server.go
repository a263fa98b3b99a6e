package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/reflect/protoreflect"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/access"
	"github.com/scopegate/scopegate/server/internal/activity"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/spool"
	"github.com/scopegate/scopegate/server/internal/transcode"
	"github.com/scopegate/scopegate/server/internal/upload"
)

// Server is a gRPC server with the symbol database service, health checking and,
// if it is configured, reflection.
type Server struct {
	config  *Config
	logger  *slog.Logger
	version string
	started time.Time

	compressors  *encode.Pool
	budget       *memory.Budget
	spool        *spool.Spool // nil: there is none
	certificates certificates
	routes       *access.Routes
	access       *access.Access
	additional   *additional // nil: there is none
	uploads      *upload.Server
	connections  *connections
	metrics      *metrics
	tracing      trace.TracerProvider // nil: no spans
	activity     *activity.Recorder
	page         statusPage
	health       *health.Server
	grpc         *grpc.Server

	serving atomic.Bool // Serve was called
	// stopping is closed by stop, which may be called again.
	stopping chan struct{}
	stop     func()
	// watching has the tenants' file watched once, while the server serves.
	watching   sync.Once
	goroutines sync.WaitGroup // of streams other than uploads, and that watch
}

// Option is a collaborator of a server.
type Option func(*collaborators)

type collaborators struct {
	registry prometheus.Registerer
	version  string
	tracing  trace.TracerProvider
}

// WithRegistry registers the server's metrics with r, which must not have those
// of another server. By default they are registered nowhere.
func WithRegistry(r prometheus.Registerer) Option {
	return func(c *collaborators) { c.registry = r }
}

// WithVersion has the server show its version on the status page.
func WithVersion(version string) Option {
	return func(c *collaborators) { c.version = version }
}

// New returns a server that is ready to serve, and that must be shut down. It fails
// on settings that are out of range, with a [*ConfigError], and on files that can't
// be used. The intake is not contacted before the first batch.
func New(cfg Config, logger *slog.Logger, opts ...Option) (*Server, error) {
	with := collaborators{registry: prometheus.NewRegistry()}
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
	kept, err := openCertificates(cfg, logger)
	if err != nil {
		return nil, fmt.Errorf("configure server: %w", err)
	}
	s := &Server{
		config: &cfg, logger: logger, version: with.version, started: time.Now(), tracing: with.tracing,
		compressors: pool, certificates: kept,
		metrics: newMetrics(with.registry), activity: activity.New(time.Now()), health: health.NewServer(),
		stopping: make(chan struct{}),
	}
	s.stop = sync.OnceFunc(func() { close(s.stopping) })
	if err := s.openMemory(); err != nil {
		return nil, fmt.Errorf("configure server: %w", err)
	}
	if err := s.openWays(); err != nil {
		return nil, errors.Join(fmt.Errorf("configure server: %w", err), s.closeMemory())
	}
	s.connections = &connections{limit: int64(cfg.Limits.Connections), budget: s.budget}
	s.uploads = upload.New(cfg.uploadConfig(), upload.Dependencies{
		Logger: logger, Plan: plan, Compressors: pool, Policy: cfg.batchPolicy(), Budget: s.budget, Spool: s.spool,
		Access: s.access, Tracer: s.tracer(), Observer: observer{s.metrics, s.activity}, Offer: s.offer,
	})
	s.grpc = s.newTransport()
	symdbv1.RegisterSymbolDatabaseServiceServer(s.grpc, s.uploads)
	healthv1.RegisterHealthServer(s.grpc, s.health)
	s.health.SetServingStatus(symdbv1.SymbolDatabaseService_ServiceDesc.ServiceName, healthv1.HealthCheckResponse_SERVING)
	if cfg.Access.Reflection {
		reflection.Register(s.grpc)
	}
	s.metrics.initializeRPC(s.grpc)
	s.readParts()
	kept.watch(cfg.TLS.ReloadInterval)
	return s, nil
}

// openWays sets up who may upload, and the ways to all intakes.
func (s *Server) openWays() (err error) {
	to := s.certificates.configureIntake(s.config.Intake.client())
	s.routes, err = access.NewRoutes(to, s.budget, s.intakeOptions(s.attempted), s.intakeOptions(s.metrics.attempted), s.logRouteOutage)
	if err != nil {
		return err
	}
	s.access, err = access.New(s.config.Access.access(), s.routes, s.budget, s.logger)
	if err != nil {
		return err
	}
	return s.openAdditional()
}

// settleTime is how long a stream that has to end early waits for what is on its way,
// and stopTime when at a shutdown its connection is closed under it.
const (
	settleTime = 2 * time.Second
	stopTime   = 2 * settleTime
)

// budgetPercent is the part of the memory limit that can be drawn.
const budgetPercent = 90

// compressorBytes is what a compressor costs, and there are GOMAXPROCS of them.
const compressorBytes = 1300 << 10

// openMemory sets up what the server holds its bytes in.
func (s *Server) openMemory() error {
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
	s.budget.Draw(runtime.GOMAXPROCS(0)*compressorBytes + grpcwire.DecoderBytes())
	return nil
}

// closeMemory gives back what openMemory has set up, when nobody uses it any more.
func (s *Server) closeMemory() error {
	s.budget.Close()
	if s.spool == nil {
		return nil
	}
	return s.spool.Close()
}

// compilePlan says how a scope is written. All of it follows from the proto file, except
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
	s.serving.Store(true)
	s.page.serve(s.sample)
	s.watching.Do(s.watchAccess)
	bytes := connectionBytes
	if s.certificates.server != nil && !isUnix(from.Addr()) {
		bytes += tlsConnectionBytes
	}
	err := s.grpc.Serve(&listener{Listener: from, connections: s.connections, bytes: bytes})
	if err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve %s: %w", from.Addr(), err)
	}
	return nil
}

// watchAccess follows the tenants' file, if there is one, and ends the streams of those
// who may no longer upload.
func (s *Server) watchAccess() {
	if s.access.Asks() {
		s.goroutines.Go(func() { s.access.Watch(s.stopping, s.uploads.EndRevoked) })
	}
}

// Ready reports whether the server takes uploads: from the first Serve on, until
// Shutdown.
func (s *Server) Ready() bool { return s.serving.Load() && !s.isStopping() }

func (s *Server) isStopping() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

// Shutdown stops taking connections and uploads, and waits for those in flight.
// Streams that watch its health, or use reflection, are ended at once. When ctx
// ends first, uploads are given back to their clients, with UNAVAILABLE and how
// far they came, within 4 seconds, and ctx's error is returned. Afterwards no
// goroutine of the server is left.
func (s *Server) Shutdown(ctx context.Context) error {
	s.health.Shutdown()
	s.stop()
	s.watching.Do(func() {}) // not any more
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
		s.uploads.Stop()
		timer := time.NewTimer(stopTime)
		defer timer.Stop()
		select {
		case <-stopped:
		case <-timer.C:
			s.grpc.Stop()
			<-stopped
		}
	}
	s.uploads.Wait()
	s.goroutines.Wait()
	s.page.close()
	s.closeAdditional(ctx)
	s.routes.Close()
	s.certificates.close()
	return errors.Join(err, s.closeMemory())
}
