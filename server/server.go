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
	"github.com/scopegate/scopegate/server/internal/admin"
	"github.com/scopegate/scopegate/server/internal/connlimit"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/logs"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/spool"
	"github.com/scopegate/scopegate/server/internal/transcode"
	"github.com/scopegate/scopegate/server/internal/upload"
)

// Server is a gRPC server with the symbol database service, health checking and,
// if it is configured, reflection.
type Server struct {
	config     *Config
	logger     *slog.Logger
	limitedLog *logs.Limiter // of what strangers cause
	version    string
	started    time.Time

	compressors  *encode.Pool
	budget       *memory.Budget
	spool        *spool.Spool // nil: there is none
	certificates certificates // watched until the server is shut down
	routes       *access.Routes
	access       *access.Access
	additional   *additional // nil: there is none
	uploads      *upload.Server
	connections  *connlimit.Limiter
	door         *door
	metrics      *metrics
	tracing      trace.TracerProvider // nil: no spans
	activity     *admin.Recorder
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
		config: &cfg, logger: logger, limitedLog: logs.NewLimiter(logger),
		version: with.version, started: time.Now(), tracing: with.tracing,
		compressors: pool, certificates: kept,
		metrics: newMetrics(with.registry), activity: admin.NewRecorder(time.Now()), health: health.NewServer(),
		stopping: make(chan struct{}),
	}
	s.stop = sync.OnceFunc(func() { close(s.stopping) })
	if err := s.openMemory(); err != nil {
		return nil, fmt.Errorf("configure server: %w", err)
	}
	if err := s.openRoutes(); err != nil {
		return nil, errors.Join(fmt.Errorf("configure server: %w", err), s.closeMemory())
	}
	s.connections = newConnections(cfg.Limits, s.budget, s.limitedLog)
	s.uploads = upload.New(cfg.uploads(), upload.Dependencies{
		Logger: logger, Plan: plan, Compressors: pool, Policy: cfg.batchPolicy(), Budget: s.budget, Spool: s.spool,
		Access: s.access, Tracer: s.tracer(), Observer: observer{s.metrics, s.activity}, Offer: s.offer,
	})
	s.door = newDoor(s)
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

// openRoutes sets up the routes to all intakes, and who may use them.
func (s *Server) openRoutes() (err error) {
	own := s.certificates.configureIntake(s.config.Intake.client())
	s.routes, err = access.NewRoutes(own, s.budget,
		s.intakeOptions(s.attempted), s.intakeOptions(s.metrics.attempted), s.logRouteOutage)
	if err != nil {
		return err
	}
	allowed := access.Config{TenantsFile: s.config.Access.TenantsFile, TenantsInterval: s.config.Access.TenantsInterval}
	s.access, err = access.New(allowed, s.routes, s.budget, s.logger)
	if err != nil {
		return err
	}
	return s.openAdditional()
}

// settleTime is how long a stream that has to end early waits for what is on its way.
const settleTime = 2 * time.Second

// budgetPercent is the part of the memory limit that can be drawn.
const budgetPercent = 90

// compressorBytes is for a compressor, as measured with `make loadtest`. There are
// GOMAXPROCS of them.
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
	s.serving.Store(true)
	s.page.serve(s.sample)
	s.watching.Do(s.watchAccess)
	bytes := grpcwire.ConnectionBytes
	if s.certificates.server != nil && !grpcwire.IsUnix(from.Addr()) {
		bytes += grpcwire.TLSConnectionBytes
	}
	err := s.grpc.Serve(&grpcwire.Listener{
		Listener: from, Connections: s.connections, Budget: s.budget, Log: s.limitedLog, Bytes: bytes,
	})
	if err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve %s: %w", from.Addr(), err)
	}
	return nil
}

// watchAccess follows the tenants' file, if there is one, and ends the streams of those
// who may no longer upload.
func (s *Server) watchAccess() {
	if s.access.HasTenants() {
		s.goroutines.Go(func() { s.access.Watch(s.stopping, s.uploads.EndRevoked) })
	}
}

// Ready tells whether the server takes uploads: from the first Serve on, until
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

// errStuck is what Shutdown returns where it can't wait any longer.
var errStuck = errors.New("shut down: uploads or batches hang, and are left behind")

// Shutdown stops taking connections and uploads, and waits for those in flight.
// Streams that watch its health, or use reflection, are ended at once. When ctx
// ends first, uploads are given back to their clients, with UNAVAILABLE and how
// far they came, within 4 seconds, and ctx's error is returned. Afterwards no
// goroutine of the server is left, unless one hangs in what has no deadline, such as
// a disk: Shutdown returns at the latest 4.5 seconds after ctx has ended.
func (s *Server) Shutdown(ctx context.Context) error {
	stopped := make(chan error, 1)
	go func() { stopped <- s.shutdown(ctx) }()
	select {
	case err := <-stopped:
		return err
	case <-ctx.Done():
	}
	last := time.NewTimer(2*s.uploads.SettleTime + s.uploads.SettleTime/4)
	defer last.Stop()
	select {
	case err := <-stopped:
		return err
	case <-last.C:
		return errStuck
	}
}

func (s *Server) shutdown(ctx context.Context) error {
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
		s.connections.CloseIdle() // they were told to go away, and may never do
		s.uploads.Stop()
		// Streams settle, and then their clients get some time to read the answers.
		timer := time.NewTimer(s.uploads.SettleTime + s.uploads.SettleTime/2)
		defer timer.Stop()
		select {
		case <-stopped:
		case <-timer.C:
			s.connections.CloseAll() // gRPC does so one after the other, while it still reads from them
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

// Destination is an intake that batches go to, and how.
type Destination struct {
	// Intake is the scheme, host and port of its URL, or the path of its socket.
	Intake string
	// Proxy is the proxy on the way there, without user and password. Empty: none.
	Proxy string
}

// Destinations returns the server's own intake, then the additional ones, then those
// of tenants. It holds nothing secret.
func (s *Server) Destinations() []Destination {
	clients := []*intake.Client{s.routes.Own.Client}
	if s.additional != nil {
		clients = append(clients, s.additional.clients...)
	}
	var all []Destination
	for _, client := range append(clients, s.routes.TenantClients()...) {
		all = append(all, Destination{Intake: client.Host(), Proxy: client.Proxy()})
	}
	return all
}
