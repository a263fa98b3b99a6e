package batch

import (
	"sync"
	"sync/atomic"
)

// The least that is learned for batches to come. Smaller ones would hardly
// compress, and cost a request each.
const (
	compressedFloorBytes = 16 << 10
	rawFloorBytes        = 64 << 10
)

// usualRatio is how many bytes of JSON become one of the file, at most, in what
// tracers usually send. It stands for what is proven as long as nothing is.
const usualRatio = 24

// minPatience and maxPatience are how many full batches in a row an intake must
// accept before a higher threshold is tried.
const minPatience, maxPatience = 8, 256

// Limit is what an intake has taught about the size of batches: by refusing some as
// too large (413, RFC 9110, section 15.5.14), and by accepting others. The length of
// the file and that of the JSON are learned apart, as an intake may limit either. It
// is safe for concurrent use. The zero value has learned nothing.
type Limit struct {
	mu              sync.Mutex
	compressed, raw learned
	// The two thresholds once more, which are asked for with each scope.
	compressedBytes, rawBytes atomic.Int64
}

// Thresholds returns what a batch should not exceed; 0: nothing is learned.
func (l *Limit) Thresholds() Limits {
	return Limits{CompressedBytes: int(l.compressedBytes.Load()), RawBytes: l.rawBytes.Load()}
}

// publish has Thresholds return what is learned. It must be called with mu held.
func (l *Limit) publish() {
	l.compressedBytes.Store(l.compressed.threshold)
	l.rawBytes.Store(l.raw.threshold)
}

// Refused takes in that b was refused as too large. It returns what to split b to,
// most likely to help first: never more than half of one of its sizes, so that
// refusal after refusal comes to an end.
func (l *Limit) Refused(b *Batch) []Limits { return l.refuse(int64(b.File.Len()), b.RawBytes) }

func (l *Limit) refuse(compressed, raw int64) []Limits {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.publish()
	first, second := Limits{CompressedBytes: int(half(compressed))}, Limits{RawBytes: half(raw)}
	if l.blamesRaw(compressed, raw) {
		l.raw.refuse(raw, rawFloorBytes)
		first, second = second, first
		first.RawBytes = min(first.RawBytes, l.raw.threshold)
	} else {
		l.compressed.refuse(compressed, compressedFloorBytes)
		first.CompressedBytes = min(first.CompressedBytes, int(l.compressed.threshold))
	}
	return []Limits{first, second}
}

func half(size int64) int64 { return max(1, size/2) }

// blamesRaw reports whether a batch was refused for its JSON rather than its file:
// the size that exceeds more what is known to be accepted. Where they do not differ
// much, it is the one of which something is learned already; and never one of which
// nothing more can be.
func (l *Limit) blamesRaw(compressed, raw int64) bool {
	if spent, rawSpent := half(compressed) < compressedFloorBytes, half(raw) < rawFloorBytes; spent != rawSpent {
		return spent
	}
	provenCompressed, provenRaw := float64(l.compressed.proven), float64(l.raw.proven)
	if provenCompressed == 0 || provenRaw == 0 {
		provenCompressed, provenRaw = 1, usualRatio
	}
	excess, excessRaw := float64(compressed)/provenCompressed, float64(raw)/provenRaw
	if l.compressed.threshold > 0 {
		excess *= 2
	}
	if l.raw.threshold > 0 {
		excessRaw *= 2
	}
	return excessRaw > excess
}

// Accepted takes in that b was accepted: in time the thresholds rise.
func (l *Limit) Accepted(b *Batch) { l.accept(int64(b.File.Len()), b.RawBytes) }

func (l *Limit) accept(compressed, raw int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.publish()
	l.compressed.accept(compressed)
	l.raw.accept(raw)
}

// learned is what is learned of one of the sizes.
type learned struct {
	threshold int64 // 0: none
	// proven is the largest size that was accepted, as far as no refusal speaks
	// against it.
	proven int64
	// full counts the batches in a row that were accepted and had reached the
	// threshold. When there are as many as patience says the threshold is doubled;
	// then trying, until a batch has shown whether it was right.
	full, patience int
	trying         bool
}

func (l *learned) refuse(size, floor int64) {
	l.proven = min(l.proven, size-1)
	l.full = 0
	l.patience = max(l.patience, minPatience)
	to := max(size/2, floor)
	if l.threshold != 0 && to >= l.threshold {
		return // it is from before, or larger than was asked for
	}
	l.threshold = to
	if l.trying {
		l.trying, l.patience = false, min(2*l.patience, maxPatience)
	}
}

func (l *learned) accept(size int64) {
	l.proven = max(l.proven, size)
	if l.threshold == 0 || size < l.threshold {
		return
	}
	if l.trying {
		l.trying, l.patience = false, minPatience
	}
	if l.full++; l.full >= l.patience {
		l.threshold, l.full, l.trying = 2*l.threshold, 0, true
	}
	l.threshold = max(l.threshold, size/2)
}
