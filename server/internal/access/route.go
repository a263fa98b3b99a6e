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

// Forwarder forwards batches. It returns nil when a batch is accepted, and does not read
// it after it returns.
type Forwarder interface {
	Forward(context.Context, intake.Caller, *batch.Batch) error
}

// Route is the way to an intake, shared by all its tenants.
type Route struct {
	Forwarder
	Client *intake.Client

	drawnBytes int // for its connections

	// Routes.mu guards what follows.

	// learned has the learned size limits by tenant, so that one tenant's batches do not
	// make another's smaller. "" stands for no tenant.
	learned map[string]*batch.LearnedLimit
	uses    int      // streams, plus one for the table that has it
	tenants []string // none if it is the server's own
}

// routeID identifies an intake. It is a hash because URL and key are secrets.
type routeID [sha256.Size]byte

func routeIDOf(in *tenant.Intake) routeID {
	sum := sha256.New()
	fmt.Fprintf(sum, "%d %s %d %s", len(in.URL), in.URL, in.Connections, in.APIKey.Reveal())
	return routeID(sum.Sum(nil))
}

// defaultConnections limits the connections to a tenant's intake unless the tenant says
// otherwise.
const defaultConnections = 4

// maxRoutesPercent limits the connections to all intakes, in percent of the memory budget.
const maxRoutesPercent = 25

// Routes are the ways to all intakes. A route that the table no longer has is closed when
// the last stream on it ends.
type Routes struct {
	// Own leads to the server's own intake.
	Own *Route

	config   intake.Config   // of the server's own intake; tenants' follow it, except for TLS
	options  []intake.Option // of tenants' intakes
	budget   *memory.Budget
	onOutage func(*Route, intake.Outage)

	mu   sync.Mutex
	open map[routeID]*Route
}

// NewRoutes returns the route to the server's own intake. Own and tenants are the options
// of the clients. It calls onOutage as [intake.OnOutage] does.
func NewRoutes(
	cfg intake.Config, budget *memory.Budget, own, tenants []intake.Option, onOutage func(*Route, intake.Outage),
) (*Routes, error) {
	r := &Routes{config: cfg, options: tenants, budget: budget, onOutage: onOutage, open: map[routeID]*Route{}}
	route, err := r.newRoute(cfg, own)
	if err != nil {
		return nil, err
	}
	route.uses = 1
	r.Own = route
	budget.Draw(route.drawnBytes)
	return r, nil
}

func (r *Routes) newRoute(cfg intake.Config, options []intake.Option) (*Route, error) {
	route := &Route{learned: map[string]*batch.LearnedLimit{}, drawnBytes: cfg.MaxConnections * intake.ConnectionBytes}
	onOutage := intake.OnOutage(func(o intake.Outage) { r.onOutage(route, o) })
	client, err := intake.New(cfg, append(slices.Clip(options), onOutage)...)
	if err != nil {
		return nil, err
	}
	route.Forwarder, route.Client = client, client
	return route, nil
}

// replace opens the routes that the table needs and closes others. If it fails, it
// changes nothing.
func (r *Routes) replace(table *tenant.Table) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, tenants, named := map[routeID]*Route{}, map[routeID][]string{}, map[string]bool{}
	drawn := r.Own.drawnBytes
	for _, t := range table.Tenants() {
		named[t.Name] = true
		if t.Intake == nil {
			continue
		}
		id := routeIDOf(t.Intake)
		tenants[id] = append(tenants[id], t.Name)
		if next[id] != nil {
			continue
		}
		route := r.open[id]
		if route == nil {
			cfg := r.config
			cfg.URL, cfg.APIKey, cfg.TLS = t.Intake.URL, t.Intake.APIKey, nil
			cfg.MaxConnections = cmp.Or(t.Intake.Connections, defaultConnections)
			var err error
			if route, err = r.newRoute(cfg, r.options); err != nil {
				return fmt.Errorf("tenant %s: %w", t.Name, err)
			}
		}
		next[id] = route
		drawn += route.drawnBytes
	}
	if limit := r.budget.LimitBytes() / 100 * maxRoutesPercent; int64(drawn) > limit {
		return fmt.Errorf("the connections to all intakes take %d bytes, more than a quarter of the memory budget", drawn)
	}
	for id, route := range next {
		route.tenants = tenants[id]
		if r.open[id] == nil {
			route.uses++
			r.budget.Draw(route.drawnBytes)
		}
	}
	for _, route := range append(slices.Collect(maps.Values(next)), r.Own) {
		maps.DeleteFunc(route.learned, func(name string, _ *batch.LearnedLimit) bool { return !named[name] })
	}
	before := r.open
	r.open = next
	for id, route := range before {
		if next[id] == nil {
			r.releaseLocked(route)
		}
	}
	return nil
}

// acquire returns the route of a tenant's batches and their learned size limit. T may be
// nil. The caller must call release. The route is nil if the table has changed and no
// longer has it.
func (r *Routes) acquire(t *tenant.Tenant) (*Route, *batch.LearnedLimit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	route, name := r.Own, ""
	if t != nil {
		name = t.Name
	}
	if t != nil && t.Intake != nil {
		route = r.open[routeIDOf(t.Intake)]
	}
	if route == nil {
		return nil, nil
	}
	route.uses++
	if route.learned[name] == nil {
		route.learned[name] = &batch.LearnedLimit{}
	}
	return route, route.learned[name]
}

func (r *Routes) release(route *Route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.releaseLocked(route)
}

func (r *Routes) releaseLocked(route *Route) {
	if route.uses--; route.uses == 0 {
		route.Client.Close()
		r.budget.Draw(-route.drawnBytes)
	}
}

// TenantsOf returns the names of the tenants that use the route to their own intake.
// There are none if it leads to the server's own.
func (r *Routes) TenantsOf(route *Route) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return route.tenants
}

// Close closes all routes. No stream may use them any more. The memory of the server's
// own route stays drawn.
func (r *Routes) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, route := range r.open {
		r.releaseLocked(route)
	}
	r.open = nil
	r.Own.Client.Close()
}

// TenantClients returns the clients of tenants' intakes, ordered by the tenants' names.
func (r *Routes) TenantClients() []*intake.Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	byName := func(a, b *Route) int { return slices.Compare(a.tenants, b.tenants) }
	var clients []*intake.Client
	for _, route := range slices.SortedFunc(maps.Values(r.open), byName) {
		clients = append(clients, route.Client)
	}
	return clients
}
