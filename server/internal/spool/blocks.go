package spool

import (
	"math"
	"math/bits"
)

const wordBits = 64

// blocks knows which blocks are in use. It hands out the lowest free one, so
// that the file stays as short as it can.
type blocks struct {
	most int64
	used int64
	// words has a bit for each block, set while it is in use; it grows as needed.
	words []uint64
	// full counts words at the beginning that are known to have no free block.
	full int
}

// take marks the lowest free block as used and returns its number; false where
// there is none.
func (b *blocks) take() (int64, bool) {
	if b.used >= b.most {
		return 0, false
	}
	for b.full < len(b.words) && b.words[b.full] == math.MaxUint64 {
		b.full++
	}
	if b.full == len(b.words) {
		b.words = append(b.words, 0)
	}
	bit := bits.TrailingZeros64(^b.words[b.full])
	b.words[b.full] |= 1 << bit
	b.used++
	return int64(b.full)*wordBits + int64(bit), true
}

// give marks a block as free; false where it is.
func (b *blocks) give(n int64) bool {
	if n < 0 || n/wordBits >= int64(len(b.words)) {
		return false
	}
	word, bit := int(n/wordBits), uint64(1)<<(n%wordBits)
	if b.words[word]&bit == 0 {
		return false
	}
	b.words[word] &^= bit
	b.used--
	b.full = min(b.full, word)
	return true
}
