package access

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/logs"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/tenant"
	"github.com/scopegate/scopegate/server/internal/text"
)

// Why a client is refused. ErrUnauthenticated says the same whatever is wrong with the
// credential.
var (
	ErrUnauthenticated = errors.New("a valid credential is required")
	ErrPermission      = errors.New("the upload was begun by another tenant")
	ErrService         = errors.New("the client may not upload for this service")
)

// errNoCredential is the cause where a client has shown none.
var errNoCredential = errors.New("no credential")

// ownedUploads caps how many upload owners we remember, and ownedFor for how long after
// an upload's latest stream.
const (
	ownedUploads = 32 << 10
	ownedFor     = 24 * time.Hour
)

// Config says who may upload.
type Config struct {
	// TenantsFile names the tenants; docs/tenants.md describes it. Empty: anyone who can
	// connect may upload.
	TenantsFile string
	// TenantsInterval is how often the file, and those it names, are checked for changes.
	TenantsInterval time.Duration
}

// Access says who may upload, and grants it. It is safe for concurrent use.
type Access struct {
	// Counts are what credentials were found to be since the start.
	Counts Counts

	routes     *Routes
	owners     *tenant.Owners
	watcher    *tenant.Watcher // nil: anyone may upload
	every      time.Duration
	logger     *slog.Logger
	limitedLog *logs.Limiter

	table atomic.Pointer[tenant.Table] // nil: anyone may upload
	// mu is held to replace the table and its routes together, and by those who need
	// both to be of the same file.
	mu sync.RWMutex
}

// Counts are streams by what their credential was found to be.
type Counts struct {
	Accepted, Absent, Unknown, Expired atomic.Int64
	// Denied counts streams for another tenant's upload, or for a service that is not
	// the tenant's.
	Denied atomic.Int64
}

// Grant is what a stream is allowed. It does not change.
type Grant struct {
	// Route leads to the intake of the stream's batches, and Learned is what that has
	// taught about the size of the tenant's batches.
	Route   *Route
	Learned *batch.Limit

	tenant     *tenant.Tenant // nil: nobody was asked who it is
	credential tenant.Credential
}

// New returns the access that cfg describes, over these routes.
func New(cfg Config, to *Routes, budget *memory.Budget, logger *slog.Logger) (*Access, error) {
	a := &Access{routes: to, every: cfg.TenantsInterval, logger: logger, limitedLog: logs.NewLimiter(logger)}
	if cfg.TenantsFile == "" {
		return a, nil
	}
	a.owners = tenant.NewOwners(ownedUploads, ownedFor, budget.Draw)
	watcher, table, err := tenant.NewWatcher(cfg.TenantsFile)
	if err != nil {
		return nil, err
	}
	a.watcher = watcher
	return a, a.replace(table)
}

// replace makes the table the one that counts. It fails, and changes nothing, if a
// tenant's intake can't be used.
func (a *Access) replace(table *tenant.Table) error {
	err := a.swap(table)
	if err == nil {
		a.warnOfExposedKeys(table)
	}
	return err
}

func (a *Access) swap(table *tenant.Table) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.routes.replace(table); err != nil {
		return err
	}
	a.owners.Admit(table)
	a.table.Store(table)
	return nil
}

// warnOfExposedKeys logs whose API keys anybody on the way to the intake can read.
func (a *Access) warnOfExposedKeys(table *tenant.Table) {
	var names []string
	for _, t := range table.Tenants() {
		if t.Intake != nil && intake.ExposesKey(t.Intake.URL, t.Intake.APIKey) {
			names = append(names, t.Name)
		}
	}
	if len(names) > 0 {
		a.logger.Warn("the API keys of tenants travel unencrypted, because their intakes' URLs are not https",
			slog.Int("count", len(names)), slog.String("tenants", text.Clip(strings.Join(names, ", "))))
	}
}

// credentialKey is the key of a stream's tenant.Credential in its context.
type credentialKey struct{}

// Authenticate finds out who calls: by the token, or if there is none by the
// certificate. It is an auth.AuthFunc.
func (a *Access) Authenticate(ctx context.Context) (context.Context, error) {
	table := a.table.Load()
	if table == nil {
		return ctx, nil
	}
	credential, err := identify(ctx, table)
	a.count(err)
	if err != nil {
		a.logRefusal(ctx, err)
		return nil, fmt.Errorf("%w: %w", ErrUnauthenticated, err)
	}
	return context.WithValue(ctx, credentialKey{}, credential), nil
}

func identify(ctx context.Context, table *tenant.Table) (tenant.Credential, error) {
	if len(metadata.ValueFromIncomingContext(ctx, "authorization")) > 0 {
		token, err := auth.AuthFromMD(ctx, "bearer")
		if err != nil {
			return tenant.Credential{}, tenant.ErrUnknown
		}
		_, credential, err := table.ByToken(token, time.Now())
		return credential, err
	}
	leaf := leafOf(ctx)
	if leaf == nil {
		return tenant.Credential{}, errNoCredential
	}
	_, credential, err := table.ByCertificate(leaf)
	return credential, err
}

// leafOf returns the client's certificate, if it has shown one that was verified.
func leafOf(ctx context.Context) *x509.Certificate {
	info, ok := grpcwire.AuthInfoOf(ctx).(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 || len(info.State.VerifiedChains[0]) == 0 {
		return nil
	}
	return info.State.VerifiedChains[0][0]
}

func (a *Access) count(err error) {
	switch {
	case err == nil:
		a.Counts.Accepted.Add(1)
	case errors.Is(err, errNoCredential):
		a.Counts.Absent.Add(1)
	case errors.Is(err, tenant.ErrExpired):
		a.Counts.Expired.Add(1)
	default:
		a.Counts.Unknown.Add(1)
	}
}

// logRefusal logs a refusal, within the limit of the log: anyone who can connect can
// cause refusals.
func (a *Access) logRefusal(ctx context.Context, cause error) {
	attrs := []slog.Attr{slog.String("error", cause.Error())}
	if client, ok := peer.FromContext(ctx); ok {
		attrs = append(attrs, slog.String("peer", client.Addr.String()))
	}
	a.limitedLog.Warn("client refused", attrs...)
}

// Enter returns what a stream that was authenticated is granted. It must be given back
// to Leave.
func (a *Access) Enter(ctx context.Context) (*Grant, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	g := &Grant{}
	if table := a.table.Load(); table != nil {
		var err error
		g.credential, _ = ctx.Value(credentialKey{}).(tenant.Credential)
		if g.tenant, err = table.Owner(g.credential, time.Now()); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnauthenticated, err)
		}
	}
	if g.Route, g.Learned = a.routes.take(g.tenant); g.Route == nil {
		return nil, errors.New("a tenant has no route") // the table and its routes are replaced together
	}
	return g, nil
}

// Leave gives a grant back.
func (a *Access) Leave(g *Grant) { a.routes.give(g.Route) }

// Revoked returns why a stream may not go on, or nil: its credential must still be
// that of the same tenant.
func (a *Access) Revoked(g *Grant) error {
	if g.tenant == nil {
		return nil
	}
	owner, err := a.table.Load().Owner(g.credential, time.Now())
	if err == nil && owner.Name != g.tenant.Name {
		err = tenant.ErrUnknown
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnauthenticated, err)
	}
	return nil
}

// Claim makes the upload the tenant's. It fails where the upload is another one's, or
// for a service that is not the tenant's.
func (a *Access) Claim(g *Grant, header *batch.Header) error {
	if g.tenant == nil {
		return nil
	}
	if !g.tenant.Services.Has(header.Service) {
		a.Counts.Denied.Add(1)
		return ErrService
	}
	id, err := uuid.Parse(header.UploadID)
	if err != nil {
		return fmt.Errorf("claim upload: %w", err)
	}
	if a.owners.Claim(g.tenant.Name, id, time.Now()) {
		return nil
	}
	if err := a.Revoked(g); err != nil { // it has just been taken out of the file, with its uploads
		return err
	}
	a.Counts.Denied.Add(1)
	return ErrPermission
}

// Watch reads the tenants' file again when it changes, until stopping is closed. It calls
// changed each time that the file was looked at, as credentials expire, too.
func (a *Access) Watch(stopping <-chan struct{}, changed func()) {
	ticker := time.NewTicker(a.every)
	defer ticker.Stop()
	for {
		select {
		case <-stopping:
			return
		case <-ticker.C:
		}
		a.Look()
		changed()
	}
}

// Look reads the tenants' file if it has changed.
func (a *Access) Look() {
	table, err := a.watcher.Look()
	if err == nil && table != nil {
		err = a.replace(table)
	}
	switch {
	case err != nil:
		a.logger.Error("invalid tenants file; keeping previous tenants", slog.String("error", err.Error()))
	case table != nil:
		a.logger.Info("tenants file read again", slog.Int("tenants", len(table.Tenants())))
	}
}

// Group is how the budget knows the tenant.
func (g *Grant) Group() memory.Group {
	if g.tenant == nil {
		return memory.Group{}
	}
	return memory.Group{Name: g.tenant.Name, Uploads: g.tenant.Uploads, Bytes: g.tenant.Bytes}
}

// Sender returns the caller and the tags that batches are forwarded with.
func (g *Grant) Sender() intake.Sender {
	if g.tenant == nil {
		return intake.Sender{}
	}
	return intake.Sender{Caller: g.tenant.Name, AdditionalTags: g.tenant.AdditionalTags}
}

// TenantName returns who the client has proved to be; empty where nobody is asked.
func (g *Grant) TenantName() string {
	if g.tenant == nil {
		return ""
	}
	return g.tenant.Name
}

// Up reports whether the intake takes batches now.
func (g *Grant) Up() bool { return g.Route.Client.State().Health == intake.Up }

// Asks reports whether clients are asked who they are.
func (a *Access) Asks() bool { return a.watcher != nil }
