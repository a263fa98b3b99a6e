package tenant

import (
	"container/list"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Owners remembers which tenant began an upload, so that no other tenant resumes it. It
// forgets an upload after a time, or when its tenant has more than its share of them,
// but never because of another tenant. It is safe for concurrent use.
type Owners struct {
	capacity int
	lifetime time.Duration
	draw     func(bytes int)

	mu      sync.Mutex
	uploads map[uuid.UUID]*list.Element // of *claim
	claims  map[string]*list.List       // by tenant, newest first
}

type claim struct {
	upload uuid.UUID
	tenant string
	at     time.Time
}

// OwnedBytes is the memory of a remembered upload.
const OwnedBytes = 200

// NewOwners returns owners of at most capacity uploads, each remembered for lifetime after
// its latest stream began. It calls draw with the bytes that it takes or frees.
func NewOwners(capacity int, lifetime time.Duration, draw func(bytes int)) *Owners {
	return &Owners{
		capacity: capacity, lifetime: lifetime, draw: draw,
		uploads: map[uuid.UUID]*list.Element{}, claims: map[string]*list.List{},
	}
}

// SetTenants forgets the uploads of tenants that the table does not have, and gives all
// others the same share of the capacity.
func (o *Owners) SetTenants(table *Table) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.claims
	o.claims = make(map[string]*list.List, len(table.tenants))
	for _, t := range table.tenants {
		if o.claims[t.Name] = before[t.Name]; o.claims[t.Name] == nil {
			o.claims[t.Name] = list.New()
		}
		delete(before, t.Name)
	}
	for _, gone := range before {
		o.shorten(gone, 0)
	}
	for _, claims := range o.claims {
		o.shorten(claims, o.share())
	}
}

// Claim records that the tenant owns the upload. It returns false if another tenant owns
// it, or the tenant is unknown.
func (o *Owners) Claim(tenant string, upload uuid.UUID, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	own := o.claims[tenant]
	if own == nil {
		return false
	}
	if element, ok := o.uploads[upload]; ok {
		c := element.Value.(*claim) //nolint:errcheck // nothing else is stored
		switch {
		case c.tenant == tenant:
			c.at = now
			own.MoveToFront(element)
			return true
		case now.Sub(c.at) < o.lifetime:
			return false
		}
		o.forget(element)
	}
	for own.Len() > 0 && now.Sub(own.Back().Value.(*claim).at) >= o.lifetime { //nolint:errcheck // as above
		o.forget(own.Back())
	}
	o.shorten(own, o.share()-1)
	o.uploads[upload] = own.PushFront(&claim{upload: upload, tenant: tenant, at: now})
	o.draw(OwnedBytes)
	return true
}

func (o *Owners) share() int { return max(1, o.capacity/max(1, len(o.claims))) }

// shorten forgets the oldest claims until n are left.
func (o *Owners) shorten(claims *list.List, n int) {
	for claims.Len() > n {
		o.remove(claims, claims.Back())
	}
}

func (o *Owners) forget(element *list.Element) {
	o.remove(o.claims[element.Value.(*claim).tenant], element) //nolint:errcheck // as above
}

func (o *Owners) remove(claims *list.List, element *list.Element) {
	c := claims.Remove(element).(*claim) //nolint:errcheck // as above
	delete(o.uploads, c.upload)
	o.draw(-OwnedBytes)
}
