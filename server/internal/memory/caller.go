package memory

import "sync/atomic"

// callerKey tells callers, and groups, apart.
type callerKey struct {
	group   string // of a caller; empty: it belongs to none
	name    string
	isGroup bool
}

// caller is what the accounts of one caller, or of a group, hold together.
type caller struct {
	key  callerKey
	held atomic.Int64
	// limitBytes is what it may hold; math.MaxInt: no limit of its own.
	limitBytes atomic.Int64

	// Guarded by the budget's mu:

	uploads    int
	maxUploads int
}

// caller returns who has the key, with those limits, 0 standing for none. It must
// be called with mu held.
func (b *Budget) caller(key callerKey, maxUploads int, limitBytes int64) *caller {
	of, known := b.callers[key]
	if !known {
		of = &caller{key: key}
	}
	of.maxUploads = orNone(maxUploads)
	of.limitBytes.Store(int64(orNone(int(limitBytes))))
	return of
}

// refusal returns why another account, with so many bytes, is too much for the
// caller, when so many are free; nil where it is not.
func (c *caller) refusal(bytes, free int64) *OverloadError {
	held, limit := c.held.Load()+bytes, c.limitBytes.Load()
	refusal := &OverloadError{Caller: c.key.name, Group: c.key.isGroup}
	switch {
	case c.uploads >= c.maxUploads:
		refusal.Uploads = c.maxUploads
	case held > limit:
		refusal.Bytes = limit
	case held > callerShare*free && c.uploads > 0: // the first one took a place that was free, or became so
		refusal.Bytes = callerShare * max(0, free)
	default:
		return nil
	}
	return refusal
}

// atLimit tells that it holds as much as it may, whatever there is for others.
func (c *caller) atLimit() bool { return c.held.Load() >= c.limitBytes.Load() }
