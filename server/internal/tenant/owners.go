package tenant

import (
	"container/list"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Owners remembers which tenant began an upload, so that no other one goes on with
// it. It is a bounded memory of this process: an upload is forgotten after a time,
// and earlier when its tenant has begun more of them than is its share; it never
// is because of what another tenant does. It is safe for concurrent use.
type Owners struct {
	capacity int
	lifetime time.Duration
	draw     func(bytes int)

	mu      sync.Mutex
	uploads map[uuid.UUID]*list.Element // of *claim
	claims  map[string]*list.List       // by tenant, the latest first
}

type claim struct {
	upload uuid.UUID
	tenant string
	at     time.Time
}

// OwnedBytes is what an upload costs that is remembered.
const OwnedBytes = 200

// NewOwners returns a memory of at most so many uploads, each for so long since
// its latest stream has begun. What it holds is drawn by draw, in bytes.
func NewOwners(capacity int, lifetime time.Duration, draw func(bytes int)) *Owners {
	return &Owners{
		capacity: capacity, lifetime: lifetime, draw: draw,
		uploads: map[uuid.UUID]*list.Element{}, claims: map[string]*list.List{},
	}
}

// SetTenants has the tenants be those of the table. What others have begun is
// forgotten; each has the same share of what can be remembered.
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

// Claim makes the upload the tenant's, unless it is another one's; then it returns
// false. A tenant that isn't admitted can claim nothing.
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

// shorten forgets the earliest uploads, until so many are left.
func (o *Owners) shorten(claims *list.List, left int) {
	for claims.Len() > left {
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
