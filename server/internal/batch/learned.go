package batch

import (
	"sync"
	"sync/atomic"
)

// The lowest thresholds that are learned. Smaller batches would hardly compress.
const (
	compressedFloorBytes = 16 << 10
	rawFloorBytes        = 64 << 10
)

// usualRatio is the highest usual compression ratio. It is used until a batch has been
// accepted.
const usualRatio = 24

// minPatience and maxPatience bound how many full batches in a row an intake must accept
// before a higher threshold is tried.
const minPatience, maxPatience = 8, 256

// LearnedLimit learns how large a batch may be from those that an intake accepts and those
// that it refuses as too large (413, RFC 9110, section 15.5.14). It learns the compressed and
// the raw size separately, because an intake may limit either. It is safe for concurrent use.
// The zero value has learned nothing.
type LearnedLimit struct {
	mu              sync.Mutex
	compressed, raw learnedSize
	// Copies of the two thresholds, which every scope reads.
	compressedBytes, rawBytes atomic.Int64
}

// Thresholds returns the sizes that a batch should not exceed, 0 if nothing is learned.
func (l *LearnedLimit) Thresholds() Limits {
	return Limits{CompressedBytes: int(l.compressedBytes.Load()), RawBytes: l.rawBytes.Load()}
}

// publish updates the copies of the thresholds. The caller must hold mu.
func (l *LearnedLimit) publish() {
	l.compressedBytes.Store(l.compressed.threshold)
	l.rawBytes.Store(l.raw.threshold)
}

// Refused records that b was refused as too large. It returns limits to split b to, the most
// promising first. Each is at most half of one of b's sizes, so that repeated splitting ends.
func (l *LearnedLimit) Refused(b *Batch) []Limits { return l.refuse(int64(b.File.Len()), b.RawBytes) }

func (l *LearnedLimit) refuse(compressed, raw int64) []Limits {
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

// blamesRaw reports whether a batch was probably refused for its raw size: the size that
// exceeds the largest accepted one by more. If they are close, it is the one that already has
// a threshold. A size at its floor is never blamed.
func (l *LearnedLimit) blamesRaw(compressed, raw int64) bool {
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

// Accepted records that b was accepted. In time the thresholds rise.
func (l *LearnedLimit) Accepted(b *Batch) { l.accept(int64(b.File.Len()), b.RawBytes) }

func (l *LearnedLimit) accept(compressed, raw int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.publish()
	l.compressed.accept(compressed)
	l.raw.accept(raw)
}

// learnedSize is what is learned about one size, compressed or raw.
type learnedSize struct {
	threshold int64 // 0 if there is none
	proven    int64 // largest accepted size, below any refused one
	// full counts the accepted batches in a row that had reached the threshold. At patience
	// the threshold is doubled. Trying is set until a batch has tested that.
	full, patience int
	trying         bool
}

func (s *learnedSize) refuse(size, floor int64) {
	s.proven = min(s.proven, size-1)
	s.full = 0
	s.patience = max(s.patience, minPatience)
	threshold := max(size/2, floor)
	if s.threshold != 0 && threshold >= s.threshold {
		return // the batch was made for an older threshold
	}
	s.threshold = threshold
	if s.trying {
		s.trying, s.patience = false, min(2*s.patience, maxPatience)
	}
}

func (s *learnedSize) accept(size int64) {
	s.proven = max(s.proven, size)
	if s.threshold == 0 || size < s.threshold {
		return
	}
	if s.trying {
		s.trying, s.patience = false, minPatience
	}
	if s.full++; s.full >= s.patience {
		s.threshold, s.full, s.trying = 2*s.threshold, 0, true
	}
	s.threshold = max(s.threshold, size/2)
}
