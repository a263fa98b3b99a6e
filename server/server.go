package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
// if enabled, reflection.
type Server struct {
	config     *Config
	logger     *slog.Logger
	limitedLog *logs.Limiter // for lines that anyone can cause
	version    string
	started    time.Time

	compressors  *encode.Pool
	budget       *memory.Budget
	spool        *spool.Spool // nil without LimitsConfig.SpoolDir
	certificates certificates // watched until Shutdown
	routes       *access.Routes
	access       *access.Access
	additional   *additional // nil without additional intakes
	uploads      *upload.Server
	connections  *connlimit.Limiter
	door         *door
	metrics      *metrics
	tracing      trace.TracerProvider // nil: no spans
	dial         dialFunc             // to intakes; nil for the network
	activity     *admin.Recorder
	page         statusPage
	health       *health.Server
	grpc         *grpc.Server

	closeTime, giveUpTime time.Duration // see the constant closeTime and ShutdownOverrun

	shuttingDown sync.Once
	// hurried ends when the ctx of any Shutdown ends, with its error as the cause.
	hurried     context.Context //nolint:containedctx // of all calls of Shutdown
	hurry       context.CancelCauseFunc
	ended       chan struct{} // closed when shutdown has returned shutdownErr
	shutdownErr error

	serving atomic.Bool // Serve was called
	// stopping is closed by stop. Calling stop again does nothing.
	stopping chan struct{}
	stop     func()
	// watching starts to watch the tenants file at the first Serve.
	watching   sync.Once
	goroutines sync.WaitGroup // of streams other than uploads, and of the tenants file's watcher
}

// Option passes a collaborator to [New].
type Option func(*collaborators)

type collaborators struct {
	registry prometheus.Registerer
	version  string
	tracing  trace.TracerProvider
	dial     dialFunc // to intakes; nil for the network
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// WithRegistry registers the server's metrics with r. Each server needs its own
// registry. By default no registry has the metrics.
func WithRegistry(r prometheus.Registerer) Option {
	return func(c *collaborators) { c.registry = r }
}

// WithVersion sets the version that the status page shows, and that is sent to the backend
// as DD-EVP-ORIGIN-VERSION.
func WithVersion(version string) Option {
	return func(c *collaborators) { c.version = version }
}

// New returns a server that is ready to serve. The caller must call Shutdown, even if it
// never serves. New fails with a [*ConfigError] if a setting is out of range, and with
// a [*FileError] if a file can't be used. It does not contact the intake.
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
	limitedLog := logs.NewLimiter(logger)
	pool.Verify(cfg.VerifyBatches, func(err error) {
		limitedLog.Warn("chunk failed verification; recompressed by another encoder", slog.String("error", err.Error()))
	})
	kept, err := openCertificates(cfg, logger)
	if err != nil {
		return nil, fmt.Errorf("configure server: %w", err)
	}
	s := &Server{
		config: &cfg, logger: logger, limitedLog: limitedLog,
		version: with.version, started: time.Now(), tracing: with.tracing, dial: with.dial,
		compressors: pool, certificates: kept,
		metrics: newMetrics(with.registry), activity: admin.NewRecorder(time.Now()), health: health.NewServer(),
		closeTime: closeTime, giveUpTime: ShutdownOverrun, stopping: make(chan struct{}), ended: make(chan struct{}),
	}
	s.hurried, s.hurry = context.WithCancelCause(context.Background())
	s.stop = sync.OnceFunc(func() { close(s.stopping) })
	if err := s.openMemory(); err != nil {
		return nil, fmt.Errorf("configure server: %w", err)
	}
	if err := s.openRoutes(); err != nil {
		return nil, errors.Join(fmt.Errorf("configure server: %w", err), s.closeMemory())
	}
	s.connections = newConnections(cfg.Limits, s.budget, s.limitedLog)
	buffers := grpcwire.NewBuffers(s.budget)
	s.uploads = upload.New(cfg.uploads(), upload.Dependencies{
		Logger: logger, LimitedLog: s.limitedLog, Plan: plan, Compressors: pool, Policy: cfg.batchPolicy(),
		Budget: s.budget, Buffers: buffers, Spool: s.spool,
		Access: s.access, Tracer: s.tracer(), Observer: observer{s.metrics, s.activity}, Offer: s.offer,
	})
	s.door = newDoor(s)
	s.grpc = s.newTransport(buffers)
	symdbv1.RegisterSymbolDatabaseServiceServer(s.grpc, s.uploads)
	healthv1.RegisterHealthServer(s.grpc, s.health)
	s.health.SetServingStatus(symdbv1.SymbolDatabaseService_ServiceDesc.ServiceName, healthv1.HealthCheckResponse_SERVING)
	if cfg.Access.Reflection {
		reflection.Register(s.grpc)
	}
	s.metrics.initializeRPC(s.grpc)
	s.registerReadMetrics()
	kept.watch(cfg.TLS.ReloadInterval)
	return s, nil
}

// openRoutes sets up the routes to all intakes, and access to them.
func (s *Server) openRoutes() (err error) {
	own := s.certificates.configureIntake(s.config.Intake.client(s.version))
	s.routes, err = access.NewRoutes(own, s.budget,
		s.intakeOptions(s.attempted), s.intakeOptions(s.metrics.attempted), s.logRouteOutage)
	if err != nil {
		return err
	}
	allowed := access.Config{
		TenantsFile: s.config.Access.TenantsFile, TenantsInterval: s.config.Access.TenantsInterval,
		Certificates: s.config.TLS.ClientCAFile != "",
	}
	s.access, err = access.New(allowed, s.routes, s.budget, s.logger)
	if err != nil {
		return &FileError{Field: "Access.TenantsFile", Err: err}
	}
	if err := s.openAdditional(); err != nil {
		return err
	}
	if s.budget.Refusing() { // what stays drawn leaves no memory for uploads
		return refused("Limits.MemoryBytes", s.config.Limits.MemoryBytes, s.tooLittleMemory())
	}
	return nil
}

// tooLittleMemory returns the reason that says how much memory is needed, and for what.
func (s *Server) tooLittleMemory() string {
	sufficient := s.budget.SufficientBytes()*100/budgetPercent + 100
	reason := fmt.Sprintf("is too little: %dMiB are enough for the compressors of %d processors and the connections to intakes",
		(sufficient+1<<20-1)>>20, runtime.GOMAXPROCS(0))
	connections := s.config.Intake.MaxConnections
	if bytes := int64(connections) * intake.ConnectionBytes; bytes > s.budget.DrawnBytes()/2 {
		reason += fmt.Sprintf("; %dMiB of them are for the %d of Intake.MaxConnections", bytes>>20, connections)
	}
	return reason
}

// The steps of Shutdown after its ctx has ended, as times from that end.
const (
	// settleTime is upload.Config's SettleTime: by then streams have settled.
	settleTime = 2 * time.Second
	// closeTime is when all connections are closed. Between settleTime and closeTime, clients can
	// read their answers.
	closeTime = settleTime + settleTime/2
	// ShutdownOverrun is how long [Server.Shutdown] may take after its ctx has ended: 4.5
	// seconds. What has not ended by then hangs.
	ShutdownOverrun = closeTime + closeTime/2
)

// budgetPercent is how much of the memory limit can be drawn.
const budgetPercent = 90

// compressorBytes is the memory of one compressor, as measured with `make loadtest`.
// There are GOMAXPROCS of them.
const compressorBytes = 1300 << 10

// A block of the spool holds a segment: this does not compile if it is shorter.
const _ = uint(spool.BlockBytes - encode.SegmentBytes)

// openMemory sets up the memory budget and the spool.
func (s *Server) openMemory() error {
	limits := s.config.Limits
	if limits.SpoolDir != "" {
		opened, err := spool.Open(limits.SpoolDir, limits.SpoolBytes)
		if err != nil {
			if inPath, ok := errors.AsType[*fs.PathError](err); ok { // of a file with a random name
				err = inPath.Err
			}
			return refused("Limits.SpoolDir", limits.SpoolDir, "can't be used: "+err.Error())
		}
		s.spool = opened
	}
	s.budget = memory.New(memory.Limits{
		Bytes:   limits.MemoryBytes / 100 * budgetPercent,
		Uploads: limits.Uploads, ServiceUploads: limits.ServiceUploads, ServiceBytes: limits.ServiceBytes,
	})
	s.budget.Draw(runtime.GOMAXPROCS(0)*compressorBytes + grpcwire.DecoderBytes() + encode.Packings*encode.PackingBytes)
	return nil
}

// closeMemory closes what openMemory has opened. Nothing may use it any more.
func (s *Server) closeMemory() error {
	s.budget.Close()
	if s.spool == nil {
		return nil
	}
	return s.spool.Close()
}

// compilePlan compiles the plan to write a scope as JSON. It is derived from the proto file,
// except for rules that protobuf can't express.
func compilePlan() (*transcode.Plan, error) {
	scope, symbol := (&symdbv1.Scope{}).ProtoReflect().Descriptor(), (&symdbv1.Symbol{}).ProtoReflect().Descriptor().FullName()
	return transcode.Compile(scope, transcode.Rules{
		Null:     []protoreflect.FullName{symbol + ".type"},
		Required: []protoreflect.FullName{symbol + ".name"},
		// Package batch divides a scope at its symbols and scopes, and repeats what precedes them.
		Reserved: map[protoreflect.FullName]protoreflect.Name{scope.FullName(): "symbols", symbol: ""},
	})
}

// Serve accepts connections from a listener until Shutdown, and then returns nil. It may
// be called for several listeners at the same time.
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

// watchAccess watches the tenants file, if there is one, and ends the streams of tenants
// whose credentials are revoked.
func (s *Server) watchAccess() {
	if s.access.HasTenants() {
		s.goroutines.Go(func() { s.access.Watch(s.stopping, s.uploads.EndRevoked) })
	}
}

// Ready reports whether the server serves: from the first Serve until Shutdown, even while it
// refuses uploads for lack of memory.
func (s *Server) Ready() bool { return s.serving.Load() && !s.isStopping() }

func (s *Server) isStopping() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

// errStuck is returned by Shutdown when it gives up waiting.
var errStuck = errors.New("shut down: gave up waiting for uploads or batches that hang")

// Shutdown stops accepting connections and uploads, and waits for uploads in flight.
// Streams of other services, such as health watches, end at once. Shutdown then waits for
// additional intakes, see [AdditionalConfig].
//
// If ctx ends first, uploads end with UNAVAILABLE and their progress, for their clients to
// resume, and Shutdown returns ctx's error, at most [ShutdownOverrun] after ctx ended. No
// goroutine of the server is left then, unless one hangs where there is no deadline, such
// as on a disk.
//
// Shutdown may be called more than once. Concurrent calls wait for the same shutdown and return
// the same error; the first ctx to end counts for all of them. Later calls return nil.
func (s *Server) Shutdown(ctx context.Context) error {
	select {
	case <-s.ended:
		return nil
	default:
	}
	hurry := func() { s.hurry(ctx.Err()) }
	if ctx.Err() != nil {
		hurry()
	}
	defer context.AfterFunc(ctx, hurry)()
	s.shuttingDown.Do(func() {
		go func() {
			defer close(s.ended)
			s.shutdownErr = s.shutdown(s.hurried)
		}()
	})
	select {
	case <-s.ended:
		return s.shutdownErr
	case <-ctx.Done():
	}
	last := time.NewTimer(s.giveUpTime)
	defer last.Stop()
	select {
	case <-s.ended:
		return s.shutdownErr
	case <-last.C:
		return errStuck
	}
}

// shutdown shuts down in haste once ctx ends. It must be called once.
func (s *Server) shutdown(ctx context.Context) error {
	s.health.Shutdown()
	s.stop()
	s.watching.Do(func() {}) // a later Serve starts nothing
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.grpc.GracefulStop()
	}()
	var err error
	select {
	case <-stopped:
	case <-ctx.Done():
		err = fmt.Errorf("shut down: %w", context.Cause(ctx))
		s.connections.CloseIdle() // clients may ignore GOAWAY
		s.uploads.Stop()
		timer := time.NewTimer(s.closeTime)
		defer timer.Stop()
		select {
		case <-stopped:
		case <-timer.C:
			s.connections.CloseAll() // gRPC closes one by one, and meanwhile reads from the others
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

// Destination is an intake, and the proxy that leads to it.
type Destination struct {
	// Intake is the scheme, host and port of its URL, or the path of its socket.
	Intake string
	// Proxy is the proxy's URL without user and password. Empty: none.
	Proxy string
}

// Destinations returns the main intake, then additional ones, then those of tenants.
// They contain no secrets.
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
