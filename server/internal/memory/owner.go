package memory

import (
	"slices"
	"sync/atomic"
)

// ownerKey identifies a service or a tenant.
type ownerKey struct {
	tenant   string // of a service, if it belongs to one
	name     string
	isTenant bool
}

// owner is a service or a tenant, with the sum of what its accounts hold.
type owner struct {
	key  ownerKey
	held atomic.Int64
	// limitBytes limits held; math.MaxInt means no limit.
	limitBytes atomic.Int64

	// Guarded by the budget's mu:

	uploads    int
	maxUploads int
}

// owner returns the owner with the key, after setting its limits. The caller must hold mu.
func (b *Budget) owner(key ownerKey, maxUploads int, limitBytes int64) *owner {
	o, known := b.owners[key]
	if !known {
		o = &owner{key: key}
	}
	o.maxUploads = orNone(maxUploads)
	o.limitBytes.Store(int64(orNone(int(limitBytes))))
	return o
}

// refusal returns the error for another account of the given size, or nil if the owner may
// have it. Free is the number of free bytes.
func (o *owner) refusal(bytes, free int64) *OverloadError {
	held, limit := o.held.Load()+bytes, o.limitBytes.Load()
	refusal := &OverloadError{Name: o.key.name, Tenant: o.key.isTenant}
	switch {
	case o.uploads >= o.maxUploads:
		refusal.Uploads = o.maxUploads
	case held > limit:
		refusal.Bytes = limit
	case held > ownerShare*free && o.uploads > 0: // Enter finds or makes room for the first
		refusal.Bytes = ownerShare * max(0, free)
	default:
		return nil
	}
	return refusal
}

// full reports whether the owner has reached its own limit, whatever is free.
func (o *owner) full() bool { return o.held.Load() >= o.limitBytes.Load() }

// owns reports whether the account belongs to the owner.
func (o *owner) owns(a *Account) bool { return slices.Contains(a.owners, o) }
