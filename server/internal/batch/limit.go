package batch

import "sync/atomic"

// limitFloorBytes is the least that is learned for batches to come. Smaller ones
// would hardly compress, and cost a request each.
const limitFloorBytes = 16 << 10

// Limit is what the intake's refusals (413, RFC 9110, section 15.5.14) have
// taught about the compressed size of batches. It is for all uploads of a
// process, and safe for concurrent use. The zero value has learned nothing.
type Limit struct{ bytes atomic.Int64 }

// Bytes returns the threshold learned, in compressed bytes; 0 where nothing is.
// It never rises.
func (l *Limit) Bytes() int { return int(l.bytes.Load()) }

// Learn takes in that b was refused as too large: the threshold becomes half of
// b's compressed size, unless it is lower already, and at least 16 KiB. Learn
// returns what to split b to: the threshold, or half of b where that is less,
// so that refusal after refusal comes to an end.
func (l *Limit) Learn(b *Batch) Limits {
	half := max(1, b.File.Len()/2)
	learned := int64(max(half, limitFloorBytes))
	for {
		old := l.bytes.Load()
		if old != 0 && old <= learned {
			return Limits{CompressedBytes: min(half, int(old))}
		}
		if l.bytes.CompareAndSwap(old, learned) {
			return Limits{CompressedBytes: half}
		}
	}
}
