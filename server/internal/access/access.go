// Package access decides who may upload and on what terms: their limits, and the intake
// that their batches go to. Start at [New].
//
// A stream is authenticated and admitted when it opens, and releases its [Grant] when it
// ends. Meanwhile the tenants file may change, and with it the routes to intakes. A
// route stays open until the last stream that uses it has ended.
package access

import (
	"context"
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

// Reasons to refuse a client. ErrUnauthenticated does not say what is wrong with the
// credential.
var (
	ErrUnauthenticated = errors.New("a valid credential is required")
	ErrPermission      = errors.New("the upload was begun by another tenant")
	ErrService         = errors.New("the client may not upload for the service")
)

var errNoCredential = errors.New("no credential")

// ownedUploads caps how many upload owners we remember, and ownedFor for how long after
// an upload's latest stream.
const (
	ownedUploads = 32 << 10
	ownedFor     = 24 * time.Hour
)

// Config says who may upload.
type Config struct {
	// TenantsFile lists the tenants, see docs/tenants.md. If empty, anyone who can
	// connect may upload.
	TenantsFile string
	// TenantsInterval is how often to check the file, and those it names, for changes.
	TenantsInterval time.Duration
	// Certificates means that clients can show certificates.
	Certificates bool
}

// Access authenticates clients and grants uploads. It is safe for concurrent use.
type Access struct {
	Counts Counts

	routes     *Routes
	owners     *tenant.Owners
	watcher    *tenant.Watcher // nil if anyone may upload
	config     Config
	logger     *slog.Logger
	limitedLog *logs.Limiter

	table   atomic.Pointer[tenant.Table] // nil if anyone may upload
	invalid atomic.Pointer[string]       // what is wrong with the file as it is now; nil if nothing is
	// mu makes replacing the table and the routes one step.
	mu sync.RWMutex
}

// Counts counts streams by their credential.
type Counts struct {
	Accepted, Absent, Unknown, Expired atomic.Int64
	// Denied counts streams for another tenant's upload or service.
	Denied atomic.Int64
}

// Grant is what a stream is allowed. It does not change.
type Grant struct {
	// Route leads to the intake. Learned is the size limit that the intake's answers to
	// the tenant's batches have shown.
	Route   *Route
	Learned *batch.LearnedLimit

	tenant     *tenant.Tenant // nil if anyone may upload
	credential tenant.Credential
}

// New returns the access that cfg describes. Its errors are about the tenants file.
func New(cfg Config, routes *Routes, budget *memory.Budget, logger *slog.Logger) (*Access, error) {
	a := &Access{routes: routes, config: cfg, logger: logger, limitedLog: logs.NewLimiter(logger)}
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

// replace replaces the table and its routes. If it fails, it changes nothing.
func (a *Access) replace(table *tenant.Table) error {
	a.mu.Lock()
	err := a.routes.replace(table)
	if err == nil {
		a.owners.SetTenants(table)
		a.table.Store(table)
	}
	a.mu.Unlock()
	if err != nil {
		return err
	}
	var names []string
	for _, t := range table.Tenants() {
		if t.Intake != nil && intake.ExposesKey(t.Intake.URL, t.Intake.APIKey) {
			names = append(names, t.Name)
		}
	}
	if len(names) > 0 {
		a.logger.Warn("tenants' API keys are sent unencrypted: their intake URLs are not https", listed(names)...)
	}
	if names := table.CertificatesOnly(); len(names) > 0 && !a.config.Certificates {
		a.logger.Warn("tenants without a token can't upload: --tls-client-ca is not set", listed(names)...)
	}
	return nil
}

// listed returns the attributes of a line about the tenants with the names.
func listed(names []string) []any {
	return []any{slog.Int("count", len(names)), slog.String("tenants", text.Clip(strings.Join(names, ", ")))}
}

// credentialKey is the context key of a tenant.Credential.
type credentialKey struct{}

// Authenticate identifies the client by its token, or else by its certificate. It is an
// auth.AuthFunc.
func (a *Access) Authenticate(ctx context.Context) (context.Context, error) {
	table := a.table.Load()
	if table == nil {
		return ctx, nil
	}
	owner, credential, err := identify(ctx, table)
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
	if err != nil {
		a.logRefusal(ctx, owner, err)
		return nil, fmt.Errorf("%w: %w", ErrUnauthenticated, err)
	}
	return context.WithValue(ctx, credentialKey{}, credential), nil
}

// identify returns the tenant, which it may also know of a credential that is not valid.
func identify(ctx context.Context, table *tenant.Table) (*tenant.Tenant, tenant.Credential, error) {
	if len(metadata.ValueFromIncomingContext(ctx, "authorization")) > 0 {
		token, err := auth.AuthFromMD(ctx, "bearer")
		if err != nil {
			return nil, tenant.Credential{}, tenant.ErrUnknown
		}
		return table.ByToken(token, time.Now())
	}
	info, ok := grpcwire.AuthInfoOf(ctx).(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 || len(info.State.VerifiedChains[0]) == 0 {
		return nil, tenant.Credential{}, errNoCredential
	}
	return table.ByCertificate(info.State.VerifiedChains[0][0])
}

// logRefusal logs a refusal, and the tenant if it is known. The log is limited because
// anyone who can connect can cause refusals.
func (a *Access) logRefusal(ctx context.Context, owner *tenant.Tenant, cause error) {
	attrs := []slog.Attr{slog.String("error", cause.Error())}
	if owner != nil {
		attrs = append(attrs, slog.String("tenant", owner.Name))
	}
	if client, ok := peer.FromContext(ctx); ok {
		attrs = append(attrs, slog.String("peer", client.Addr.String()))
	}
	a.limitedLog.Warn("client refused", attrs...)
}

// Admit returns the grant of an authenticated stream. The caller must call Release with
// it when the stream ends.
func (a *Access) Admit(ctx context.Context) (*Grant, error) {
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
	if g.Route, g.Learned = a.routes.acquire(g.tenant); g.Route == nil {
		return nil, errors.New("a tenant has no route") // the table and its routes are replaced together
	}
	return g, nil
}

// Release releases a grant.
func (a *Access) Release(g *Grant) { a.routes.release(g.Route) }

// Revoked returns an error if the grant's credential is no longer valid for its tenant.
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

// Claim records that the tenant owns the upload. It fails if another tenant owns it, or
// the tenant may not upload for its service.
func (a *Access) Claim(g *Grant, header *batch.Header) error {
	if g.tenant == nil {
		return nil
	}
	if !g.tenant.Services.Has(header.Service) {
		a.Counts.Denied.Add(1)
		return fmt.Errorf("%w %q", ErrService, header.Service)
	}
	id, err := uuid.Parse(header.UploadID)
	if err != nil {
		return fmt.Errorf("claim upload: %w", err)
	}
	if a.owners.Claim(g.tenant.Name, id, time.Now()) {
		return nil
	}
	if err := a.Revoked(g); err != nil { // the tenant was just removed, and its uploads forgotten
		return err
	}
	a.Counts.Denied.Add(1)
	return ErrPermission
}

// Watch rereads the tenants file when it changes, until stopping is closed. It calls
// checked after each check, even without a change, because credentials also expire.
func (a *Access) Watch(stopping <-chan struct{}, checked func()) {
	ticker := time.NewTicker(a.config.TenantsInterval)
	defer ticker.Stop()
	for {
		select {
		case <-stopping:
			return
		case <-ticker.C:
		}
		a.Look()
		checked()
	}
}

// Look rereads the tenants file if it has changed.
func (a *Access) Look() {
	table, err := a.watcher.Look()
	if err == nil && table != nil {
		err = a.replace(table)
	}
	switch {
	case err != nil:
		wrong := err.Error()
		a.invalid.Store(&wrong)
		a.logger.Error("invalid tenants file; keeping previous tenants", slog.String("error", wrong))
	case table != nil:
		a.invalid.Store(nil)
		a.logger.Info("tenants file reloaded", slog.Int("tenants", len(table.Tenants())))
	}
}

// Invalid says what is wrong with the tenants file as it is now, or "".
func (a *Access) Invalid() string { return text.OrEmpty(a.invalid.Load()) }

// Tenant returns the tenant's limits in the memory budget.
func (g *Grant) Tenant() memory.Tenant {
	if g.tenant == nil {
		return memory.Tenant{}
	}
	return memory.Tenant{Name: g.tenant.Name, Uploads: g.tenant.Uploads, Bytes: g.tenant.Bytes}
}

// Caller returns the caller and the tags that batches are forwarded with.
func (g *Grant) Caller() intake.Caller {
	if g.tenant == nil {
		return intake.Caller{}
	}
	return intake.Caller{Name: g.tenant.Name, AdditionalTags: g.tenant.AdditionalTags}
}

// TenantName returns the name of the tenant, or "" if anyone may upload.
func (g *Grant) TenantName() string {
	if g.tenant == nil {
		return ""
	}
	return g.tenant.Name
}

// Up reports whether the intake accepts batches now.
func (g *Grant) Up() bool { return g.Route.Client.State().Health == intake.Up }

// HasTenants reports whether clients must authenticate.
func (a *Access) HasTenants() bool { return a.watcher != nil }
