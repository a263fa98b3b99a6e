package access

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/logs"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/tenant"
)

// Why a client is refused. ErrUnauthenticated says the same whatever is wrong with the
// credential.
var (
	ErrUnauthenticated = errors.New("a valid credential is required")
	ErrPermission      = errors.New("the upload was begun by another tenant")
)

// errNoCredential is the cause where a client has shown none.
var errNoCredential = errors.New("no credential")

// ownedUploads and ownedFor bound how many uploads it is remembered who began
// them, and for how long since their latest stream.
const (
	ownedUploads = 32 << 10
	ownedFor     = 24 * time.Hour
)

// Access says who may upload, and on what Grant. Without a file of tenants anyone who
// can connect may.
type Access struct {
	// Counts are what became of credentials since the start.
	Counts Counts

	routes  *Routes
	owners  *tenant.Owners
	watcher *tenant.Watcher // nil: everybody may upload
	every   time.Duration
	logger  *slog.Logger
	noise   logs.Sampler

	mu    sync.Mutex
	table *tenant.Table // nil: everybody may upload
}

// Grant is what a stream is allowed. The zero value allows nothing.
type Grant struct {
	// Route leads to the intake of the stream's batches.
	Route      *Route
	tenant     *tenant.Tenant // nil: nobody was asked who it is
	credential tenant.Credential
}

// Config says who may upload.
type Config struct {
	// TenantsFile names the tenants; docs/tenants.md describes it. Empty: anyone who can
	// connect may upload.
	TenantsFile string
	// TenantsInterval is how often the file, and those it names, are checked for changes.
	TenantsInterval time.Duration
}

// Counts are streams by what their credential was found to be. Any goroutine may read
// them.
type Counts struct {
	Accepted, Absent, Unknown, Expired atomic.Int64
	// Denied counts streams that wanted to resume another tenant's upload.
	Denied atomic.Int64
}

// New returns the access that cfg describes.
func New(
	cfg Config, to *Routes, budget *memory.Budget, logger *slog.Logger,
) (*Access, error) {
	a := &Access{routes: to, every: cfg.TenantsInterval, logger: logger}
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

// replace has the table be the one that counts, unless a tenant's intake is not in
// order.
func (a *Access) replace(table *tenant.Table) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.routes.replace(table); err != nil {
		return err
	}
	a.owners.Admit(table)
	a.table = table
	return nil
}

// credentialKey is the key of a stream's tenant.Credential in its context.
type credentialKey struct{}

// Authenticate finds out who calls: by the token, or if there is none by the
// certificate. It is an auth.AuthFunc.
func (a *Access) Authenticate(ctx context.Context) (context.Context, error) {
	a.mu.Lock()
	table := a.table
	a.mu.Unlock()
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
	client, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := client.AuthInfo.(credentials.TLSInfo)
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

// logRefusal logs some of the refusals: whoever reaches the server can bring them
// about.
func (a *Access) logRefusal(ctx context.Context, cause error) {
	unlogged, ok := a.noise.Take(time.Now())
	if !ok {
		return
	}
	attrs := []slog.Attr{slog.String("error", cause.Error()), slog.Int("unlogged", unlogged)}
	if client, ok := peer.FromContext(ctx); ok {
		attrs = append(attrs, slog.String("peer", client.Addr.String()))
	}
	a.logger.LogAttrs(ctx, slog.LevelWarn, "client refused", attrs...)
}

// Enter returns the Grant on which a stream that was authenticated is taken, which
// have to be given back to leave.
func (a *Access) Enter(ctx context.Context) (Grant, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var g Grant
	if a.table != nil {
		var err error
		g.credential, _ = ctx.Value(credentialKey{}).(tenant.Credential)
		if g.tenant, err = a.table.Owner(g.credential, time.Now()); err != nil {
			return Grant{}, fmt.Errorf("%w: %w", ErrUnauthenticated, err)
		}
	}
	if g.Route = a.routes.take(g.tenant); g.Route == nil {
		return Grant{}, errors.New("a tenant has no route") // the table and its routes are replaced together
	}
	return g, nil
}

func (a *Access) Leave(g Grant) {
	if g.Route != nil {
		a.routes.give(g.Route)
	}
}

// Revoked returns why a stream may not go on, or nil: its credential must still be
// that of the same tenant.
func (a *Access) Revoked(g Grant) error {
	if g.tenant == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	owner, err := a.table.Owner(g.credential, time.Now())
	if err == nil && owner.Name != g.tenant.Name {
		err = tenant.ErrUnknown
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnauthenticated, err)
	}
	return nil
}

// Claim makes the upload the tenant's, or fails as it is another one's.
func (a *Access) Claim(g Grant, uploadID string) error {
	if g.tenant == nil {
		return nil
	}
	id, err := uuid.Parse(uploadID)
	if err != nil {
		return fmt.Errorf("claim upload: %w", err)
	}
	if !a.owners.Claim(g.tenant.Name, id, time.Now()) {
		a.Counts.Denied.Add(1)
		return ErrPermission
	}
	return nil
}

// Watch reads the file of tenants again when it changes, until stopping is closed.
// Each time it has others whose credentials are gone be ended.
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

func (a *Access) Look() {
	table, err := a.watcher.Look()
	if err == nil && table != nil {
		err = a.replace(table)
	}
	switch {
	case err != nil:
		a.logger.Error("the tenants stay as they are, as their file is not in order", slog.String("error", err.Error()))
	case table != nil:
		a.logger.Info("tenants are read again", slog.Int("tenants", len(table.Tenants())))
	}
}

// group is how the budget knows the tenant.
func (g Grant) Group() memory.Group {
	if g.tenant == nil {
		return memory.Group{}
	}
	return memory.Group{Name: g.tenant.Name, Uploads: g.tenant.Uploads, Bytes: g.tenant.Bytes}
}

// sender is for whom batches are forwarded.
func (g Grant) Sender() intake.Sender {
	if g.tenant == nil {
		return intake.Sender{}
	}
	return intake.Sender{Caller: g.tenant.Name, AdditionalTags: g.tenant.AdditionalTags}
}

// Up reports whether the intake takes batches now, or there is none to ask.
func (g Grant) Up() bool {
	return g.Route == nil || g.Route.Client.State().Health == intake.Up
}

// TenantName returns who the client has proved to be; empty where nobody is asked.
func (g Grant) TenantName() string {
	if g.tenant == nil {
		return ""
	}
	return g.tenant.Name
}

// Asks reports whether clients are asked who they are.
func (a *Access) Asks() bool { return a.watcher != nil }
