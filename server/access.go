package server

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
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/logs"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/telemetry"
	"github.com/scopegate/scopegate/server/internal/tenant"
	"github.com/scopegate/scopegate/server/internal/text"
)

// Why a client is refused. What it is told of the first is the same whatever was
// wrong with its credential.
var (
	errUnauthenticated = errors.New("a valid credential is required")
	errPermission      = errors.New("the upload was begun by another tenant")
)

// errNoCredential is the cause where a client has shown none.
var errNoCredential = errors.New("no credential")

// ownedUploads and ownedFor bound how many uploads it is remembered who began
// them, and for how long since their latest stream.
const (
	ownedUploads = 32 << 10
	ownedFor     = 24 * time.Hour
)

// access says who may upload, and on what terms. Without a file of tenants
// everybody may.
type access struct {
	routes     *routes
	owners     *tenant.Owners
	watcher    *tenant.Watcher // nil: everybody may upload
	every      time.Duration
	counts     *telemetry.Access
	logger     *slog.Logger
	limitedLog *logs.Limiter

	table atomic.Pointer[tenant.Table] // nil: everybody may upload
	// mu is held to replace the table and its routes together, and by those who need
	// both to be of the same file.
	mu sync.RWMutex
}

// terms are those on which a stream is taken.
type terms struct {
	tenant     *tenant.Tenant // nil: nobody was asked who it is
	credential tenant.Credential
	route      *route
	// learned is what the intake has taught about the size of the tenant's batches.
	learned *batch.Limit
}

func newAccess(
	cfg AccessConfig, to *routes, budget *memory.Budget, counts *telemetry.Access, logger *slog.Logger,
) (*access, error) {
	a := &access{routes: to, every: cfg.TenantsInterval, counts: counts, logger: logger, limitedLog: logs.NewLimiter(logger)}
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

// replace makes the table the one that counts. It fails, and changes nothing, where a
// tenant's intake can't be used.
func (a *access) replace(table *tenant.Table) error {
	err := a.swap(table)
	if err == nil {
		a.warnOfExposedKeys(table)
	}
	return err
}

func (a *access) swap(table *tenant.Table) error {
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
func (a *access) warnOfExposedKeys(table *tenant.Table) {
	var names []string
	for _, t := range table.Tenants() {
		if t.Intake != nil && keyIsExposed(t.Intake.URL, t.Intake.APIKey) {
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

// authenticate finds out who calls: by the token, or if there is none by the
// certificate. It is an auth.AuthFunc.
func (a *access) authenticate(ctx context.Context) (context.Context, error) {
	table := a.table.Load()
	if table == nil {
		return ctx, nil
	}
	credential, err := identify(ctx, table)
	a.count(err)
	if err != nil {
		a.logRefusal(ctx, err)
		return nil, publicStatus(fmt.Errorf("%w: %w", errUnauthenticated, err), nil)
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
	shown := client.AuthInfo
	if over, ok := shown.(*line); ok {
		shown = over.AuthInfo
	}
	info, ok := shown.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 || len(info.State.VerifiedChains[0]) == 0 {
		return nil
	}
	return info.State.VerifiedChains[0][0]
}

func (a *access) count(err error) {
	switch {
	case err == nil:
		a.counts.Accepted.Inc()
	case errors.Is(err, errNoCredential):
		a.counts.Absent.Inc()
	case errors.Is(err, tenant.ErrExpired):
		a.counts.Expired.Inc()
	default:
		a.counts.Unknown.Inc()
	}
}

// logRefusal logs some of the refusals: whoever reaches the server can bring them
// about.
func (a *access) logRefusal(ctx context.Context, cause error) {
	attrs := []slog.Attr{slog.String("error", cause.Error())}
	if client, ok := peer.FromContext(ctx); ok {
		attrs = append(attrs, slog.String("peer", client.Addr.String()))
	}
	a.limitedLog.Warn("client refused", attrs...)
}

// enter returns the terms on which a stream that was authenticated is taken, which
// have to be given back to leave.
func (a *access) enter(ctx context.Context) (terms, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	var t terms
	if table := a.table.Load(); table != nil {
		var err error
		t.credential, _ = ctx.Value(credentialKey{}).(tenant.Credential)
		if t.tenant, err = table.Owner(t.credential, time.Now()); err != nil {
			return terms{}, fmt.Errorf("%w: %w", errUnauthenticated, err)
		}
	}
	if t.route, t.learned = a.routes.take(t.tenant); t.route == nil {
		return terms{}, errInternal // the table and its routes are replaced together
	}
	return t, nil
}

func (a *access) leave(t terms) {
	if t.route != nil {
		a.routes.give(t.route)
	}
}

// revoked returns why a stream may not go on, or nil: its credential must still be
// that of the same tenant.
func (a *access) revoked(t terms) error {
	if t.tenant == nil {
		return nil
	}
	owner, err := a.table.Load().Owner(t.credential, time.Now())
	if err == nil && owner.Name != t.tenant.Name {
		err = tenant.ErrUnknown
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUnauthenticated, err)
	}
	return nil
}

// claim makes the upload the tenant's. It fails where the upload is another one's, or
// for a service that is not the tenant's.
func (a *access) claim(t terms, header *batch.Header) error {
	if t.tenant == nil {
		return nil
	}
	if !t.tenant.Services.Has(header.Service) {
		a.counts.Denied.Inc()
		return &inputError{
			reason: reasonPermission, field: "metadata.service", text: "the client may not upload for this service",
		}
	}
	id, err := uuid.Parse(header.UploadID)
	if err != nil {
		return fmt.Errorf("claim upload: %w", err)
	}
	if a.owners.Claim(t.tenant.Name, id, time.Now()) {
		return nil
	}
	if err := a.revoked(t); err != nil { // it has just been taken out of the file, with its uploads
		return err
	}
	a.counts.Denied.Inc()
	return errPermission
}

// watch reads the file of tenants again when it changes, until stopping is closed.
// Each time it has others whose credentials are gone be ended.
func (a *access) watch(stopping <-chan struct{}, changed func()) {
	ticker := time.NewTicker(a.every)
	defer ticker.Stop()
	for {
		select {
		case <-stopping:
			return
		case <-ticker.C:
		}
		a.look()
		changed()
	}
}

func (a *access) look() {
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

// group is how the budget knows the tenant.
func (t terms) group() memory.Group {
	if t.tenant == nil {
		return memory.Group{}
	}
	return memory.Group{Name: t.tenant.Name, Uploads: t.tenant.Uploads, Bytes: t.tenant.Bytes}
}

// whose returns who answers for what a stream of the connection holds.
func (t terms) whose(connection any) []any {
	if t.tenant == nil {
		return []any{connection}
	}
	return []any{connection, t.tenant.Name}
}

// sender is for whom batches are forwarded.
func (t terms) sender() intake.Sender {
	if t.tenant == nil {
		return intake.Sender{}
	}
	return intake.Sender{Caller: t.tenant.Name, AdditionalTags: t.tenant.AdditionalTags}
}

// taken tells whether the intake takes batches now, or there is none to ask.
func (t terms) taken() bool {
	return t.route == nil || t.route.client.State().Health == intake.Up
}
