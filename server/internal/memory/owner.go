package memory

import (
	"slices"
	"sync/atomic"
)

// ownerKey identifies a caller, or a group of callers.
type ownerKey struct {
	group   string // of a caller; empty: it belongs to none
	name    string
	isGroup bool
}

// owner is a caller or a group, with what its accounts hold together.
type owner struct {
	key  ownerKey
	held atomic.Int64
	// limitBytes is what it may hold; math.MaxInt: no limit of its own.
	limitBytes atomic.Int64

	// Guarded by the budget's mu:

	uploads    int
	maxUploads int
}

// owner returns the owner with that key, and gives it those limits. mu must be held.
func (b *Budget) owner(key ownerKey, maxUploads int, limitBytes int64) *owner {
	o, known := b.owners[key]
	if !known {
		o = &owner{key: key}
	}
	o.maxUploads = orNone(maxUploads)
	o.limitBytes.Store(int64(orNone(int(limitBytes))))
	return o
}

// refusal returns why another account, with so many bytes, is too much for the owner
// when so many are free; nil if it is not.
func (o *owner) refusal(bytes, free int64) *OverloadError {
	held, limit := o.held.Load()+bytes, o.limitBytes.Load()
	refusal := &OverloadError{Caller: o.key.name, Group: o.key.isGroup}
	switch {
	case o.uploads >= o.maxUploads:
		refusal.Uploads = o.maxUploads
	case held > limit:
		refusal.Bytes = limit
	case held > ownerShare*free && o.uploads > 0: // the first one took a place that was free, or became so
		refusal.Bytes = ownerShare * max(0, free)
	default:
		return nil
	}
	return refusal
}

// full reports whether the owner holds as much as it may, whatever is free.
func (o *owner) full() bool { return o.held.Load() >= o.limitBytes.Load() }

// owns reports whether the account is one of the owner's.
func (o *owner) owns(a *Account) bool { return slices.Contains(a.owners, o) }
