package deflate

import (
	"encoding/binary"
	"math/bits"
)

// Hash functions multiply by these, which look random.
const (
	prime1 = 0x9e3779b185ebca87
	prime2 = 0xc2b2ae3d27d4eb4f
	prime3 = 0x9e3779f900000000 // for four bytes
)

func hashShort(x uint64) uint64 { return x * prime1 >> (64 - shortBits) }

func hashLong(x, y, z uint64) uint64 { return (x*prime1 + y*prime2 + z*prime3) >> (64 - longBits) }

// load returns the eight bytes at p modulo textBytes.
func (c *Compressor) load(p int) uint64 {
	p &= textMask
	return binary.LittleEndian.Uint64(c.text[p : p+8])
}

// back returns how far a position is from q, less 1. The position is before q and given modulo
// 2^16, so if it is far away, the result is wrong.
func back(q int, position uint64) int { return int(uint16(q-1) - uint16(position)) }

// tooFar is the lowest result of back that no match can have.
const tooFar = MaxWindow

// nonzero returns all ones if x is not 0, else 0.
func nonzero(x uint64) uint64 { return uint64(int64(x|-x) >> 63) }

// smaller returns the smaller number. Unlike min, it compiles to no branch.
func smaller(a, b int) int { return a + (b-a)&((b-a)>>63) }

// findPlaces lists the marked positions before limit, and limit, which ends the list. Marks for
// which there is no room are left out.
func (c *Compressor) findPlaces(marks []uint64, limit int) (count int) {
	last := limit / 64 & (markWords - 1)
	clear(c.marks[copy(c.marks[:last+1], marks) : last+1])
	end := uint64(1) << (limit % 64)
	c.marks[last] = c.marks[last]&(end-1) | end
	k := 0
	for i, word := range c.marks[:last+1] {
		next := k + bits.OnesCount64(word)
		if next > maxPlaces-2*64 && i < last { // so that the last word finds room
			word, next = 0, k
			c.marks[i] = 0
		}
		// List atOnce marks without checking how many there are: few words have more.
		first := i * 64
		for ; ; k += atOnce {
			at := (*[atOnce]uint32)(c.positions[k&(maxPlaces-1):])
			at[0], word = uint32(first+bits.TrailingZeros64(word)), word&(word-1)
			at[1], word = uint32(first+bits.TrailingZeros64(word)), word&(word-1)
			at[2], word = uint32(first+bits.TrailingZeros64(word)), word&(word-1)
			at[3], word = uint32(first+bits.TrailingZeros64(word)), word&(word-1)
			at[4], word = uint32(first+bits.TrailingZeros64(word)), word&(word-1)
			at[5], word = uint32(first+bits.TrailingZeros64(word)), word&(word-1)
			if word == 0 {
				break
			}
		}
		k = next
		c.ranks[i] = uint16(k)
	}
	return k
}

// findCandidates finds the candidates for a match at each of the places. Since none depends on a
// match, this loop has no branch that is hard to predict.
func (c *Compressor) findCandidates(count int) {
	clear(c.short[:])
	clear(c.long[:])
	for k, p := range c.positions[:count] {
		t := c.text[p&textMask:][:longBytes]
		x, y, z := binary.LittleEndian.Uint64(t), binary.LittleEndian.Uint64(t[8:]), uint64(binary.LittleEndian.Uint32(t[16:]))
		short, long := &c.short[hashShort(x)], &c.long[hashLong(x, y, z)]
		pair := uint64(*long)
		c.candidates[k] = uint64(*short) | pair<<16
		*short = uint16(p)
		*long = uint32(pair<<16) | p&0xffff
	}
}

// rank returns how many places are before p.
func (c *Compressor) rank(p int) int {
	i := uint(p) / 64 % markWords
	return int(c.ranks[i]) - bits.OnesCount64(c.marks[i]>>(uint(p)%64))
}

// wordStarts returns the high bits of the bytes in x after which a word may begin: those that are
// neither digit nor lower-case letter.
func wordStarts(x uint64) uint64 {
	const ones = 0x0101010101010101
	const high = 0x8080808080808080
	y := x &^ high
	letter := (y + ones*(128-'a')) &^ (y + ones*(128-'z'-1))
	digit := (y + ones*(128-'0')) &^ (y + ones*(128-'9'-1))
	return (^(letter | digit) | x) & high
}
