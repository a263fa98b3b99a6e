package access

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/tenant"
)

// Forwarder takes a batch to wherever batches go. It returns nil when the batch
// is accepted there, and does not read it any more once it has returned.
type Forwarder interface {
	ForwardFor(context.Context, intake.Sender, *batch.Batch) error
}

// Route is the way to an intake, with what is known of it. All tenants of an
// intake share it.
type Route struct {
	Forwarder
	Client *intake.Client

	to routeID
	// learned is what the intake has taught about the size of batches, tenant by
	// tenant: what one of them sends must not make the others' batches small. It is
	// guarded by the routes' mu. The empty name stands for no tenant.
	learned map[string]*batch.Limit
	// drawnBytes is what its connections are drawn with.
	drawnBytes int
	// uses counts the uploads on it, and one for the table that has it. It is
	// guarded by the routes' mu, as tenants are, the names of those whose intake
	// this is; none: it is the server's own.
	uses    int
	tenants []string
}

// routeID tells intakes apart. It is a hash, as the URL and the key are secrets.
type routeID [sha256.Size]byte

func routeIDOf(own *tenant.Intake) routeID {
	sum := sha256.New()
	fmt.Fprintf(sum, "%d %s %d %s", len(own.URL), own.URL, own.Connections, own.APIKey.Reveal())
	return routeID(sum.Sum(nil))
}

// tenantConnections bounds the connections to a tenant's own intake, unless its
// tenant says otherwise.
const tenantConnections = 4

// ConnectionBytes is for a connection to the intake, as measured with `make
// loadtest`, and the most that an answer's headers may have.
const ConnectionBytes = 104<<10 + 64<<10

// maxRoutesPercent is how much of the memory limit the connections to all intakes
// may take.
const maxRoutesPercent = 25

// Routes are the ways to all intakes. A route whose table is gone is closed when
// the last upload on it has ended.
type Routes struct {
	// Own leads to the server's own intake.
	Own *Route

	config  intake.Config   // of the server's own intake; tenants' follow it, but for TLS
	options []intake.Option // of tenants' intakes
	budget  *memory.Budget
	// told is called with each outage of an intake.
	told func(*Route, intake.Outage)

	mu   sync.Mutex
	open map[routeID]*Route
}

// NewRoutes returns the way to the server's own intake, with options of that and of
// tenants' intakes. It has told called as [intake.OnOutage] does.
func NewRoutes(
	cfg intake.Config, budget *memory.Budget, own, tenants []intake.Option, told func(*Route, intake.Outage),
) (*Routes, error) {
	r := &Routes{config: cfg, options: tenants, budget: budget, told: told, open: map[routeID]*Route{}}
	to, err := r.newRoute(cfg, own)
	if err != nil {
		return nil, err
	}
	to.uses = 1
	r.Own = to
	budget.Draw(to.drawnBytes)
	return r, nil
}

func (r *Routes) newRoute(cfg intake.Config, options []intake.Option) (*Route, error) {
	to := &Route{learned: map[string]*batch.Limit{}, drawnBytes: cfg.MaxConnections * ConnectionBytes}
	told := intake.OnOutage(func(o intake.Outage) { r.told(to, o) })
	client, err := intake.New(cfg, append(slices.Clip(options), told)...)
	if err != nil {
		return nil, err
	}
	to.Forwarder, to.Client = client, client
	return to, nil
}

// replace has the routes be those that the table needs; those that it had already
// stay as they are. It changes nothing where it fails.
func (r *Routes) replace(table *tenant.Table) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, tenants := map[routeID]*Route{}, map[routeID][]string{}
	drawn := r.Own.drawnBytes
	for _, t := range table.Tenants() {
		if t.Intake == nil {
			continue
		}
		id := routeIDOf(t.Intake)
		tenants[id] = append(tenants[id], t.Name)
		if next[id] != nil {
			continue
		}
		to := r.open[id]
		if to == nil {
			cfg := r.config
			cfg.URL, cfg.APIKey, cfg.TLS = t.Intake.URL, t.Intake.APIKey, nil
			cfg.MaxConnections = cmp.Or(t.Intake.Connections, tenantConnections)
			built, err := r.newRoute(cfg, r.options)
			if err != nil {
				return fmt.Errorf("tenant %s: %w", t.Name, err)
			}
			built.to, to = id, built
		}
		next[id] = to
		drawn += to.drawnBytes
	}
	if limit := r.budget.LimitBytes() / 100 * maxRoutesPercent; int64(drawn) > limit {
		return fmt.Errorf("the connections to all intakes take %d bytes, more than a quarter of the memory limit", drawn)
	}
	for id, to := range next {
		to.tenants = tenants[id]
		if r.open[id] == nil {
			to.uses++
			r.budget.Draw(to.drawnBytes)
		}
	}
	for _, to := range append(slices.Collect(maps.Values(next)), r.Own) {
		to.forget(table)
	}
	before := r.open
	r.open = next
	for id, to := range before {
		if next[id] == nil {
			r.drop(to)
		}
	}
	return nil
}

// take returns the route of a tenant's batches, nil standing for none, which has
// to be given back, and what its intake has taught about their size. The route is
// nil where the table has changed and has it no more.
func (r *Routes) take(of *tenant.Tenant) (*Route, *batch.Limit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	to, name := r.Own, ""
	if of != nil {
		name = of.Name
	}
	if of != nil && of.Intake != nil {
		to = r.open[routeIDOf(of.Intake)]
	}
	if to == nil {
		return nil, nil
	}
	to.uses++
	if to.learned[name] == nil {
		to.learned[name] = &batch.Limit{}
	}
	return to, to.learned[name]
}

// forget forgets what was learned from tenants that the table does not have. It must
// be called with the routes' mu held.
func (to *Route) forget(table *tenant.Table) {
	if len(to.learned) == 0 {
		return
	}
	names := make(map[string]bool)
	for _, t := range table.Tenants() {
		names[t.Name] = true
	}
	maps.DeleteFunc(to.learned, func(name string, _ *batch.Limit) bool { return !names[name] })
}

// TenantsOf returns the names of those whose intake the route leads to; none: it is
// the server's own.
func (r *Routes) TenantsOf(to *Route) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return to.tenants
}

func (r *Routes) give(to *Route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(to)
}

// drop must be called with mu held.
func (r *Routes) drop(to *Route) {
	if to.uses--; to.uses == 0 {
		to.Client.Close()
		r.budget.Draw(-to.drawnBytes)
	}
}

// Close closes all routes, when no upload is on any of them. What the server's own
// is drawn with stays drawn, as for all that is there for as long as the server.
func (r *Routes) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, to := range r.open {
		r.drop(to)
	}
	r.open = nil
	r.Own.Client.Close()
}

// TenantClients returns the clients of tenants' intakes, in the order of the tenants'
// names.
func (r *Routes) TenantClients() []*intake.Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	byName := func(a, b *Route) int { return slices.Compare(a.tenants, b.tenants) }
	var clients []*intake.Client
	for _, to := range slices.SortedFunc(maps.Values(r.open), byName) {
		clients = append(clients, to.Client)
	}
	return clients
}
