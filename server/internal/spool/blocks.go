package spool

import (
	"math"
	"math/bits"
)

const wordBits = 64

// blocks tracks which blocks are in use. It allocates the lowest free one, to keep the
// file short.
type blocks struct {
	limit int64
	used  int64
	// words has a bit for each block, set while it is in use. It grows as needed.
	words []uint64
	// full counts the first words that have no free block.
	full int
}

// allocate marks the lowest free block as used and returns its number. It returns false
// if there is none.
func (b *blocks) allocate() (int64, bool) {
	if b.used >= b.limit {
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

// free marks a block as free. It returns false if the block is not in use.
func (b *blocks) free(n int64) bool {
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
