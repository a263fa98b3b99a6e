package deflate

import (
	"encoding/binary"
	"math/bits"
)

// Hash functions multiply by these, which are odd and look random.
const (
	prime1 = 0x9e3779b185ebca87
	prime2 = 0xc2b2ae3d27d4eb4f
	prime3 = 0x165667b19e3779f9
)

func hashShort(x uint64) uint64 { return x * prime1 >> (64 - shortBits) }

func hashLong(x, y, z uint64) uint64 { return (x*prime1 + y*prime2 + z*prime3) >> (64 - longBits) }

// load returns the eight bytes at p, whose upper bits do not count.
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

// setMarks takes the marks before limit, and a mark at limit, which ends the list of places.
// Marks that it has no room for are left out.
func (c *Compressor) setMarks(marks []uint64, limit int) {
	last := limit / 64
	count := 0
	for i := range last + 1 {
		word := uint64(0)
		if i < len(marks) {
			word = marks[i]
		}
		if count += bits.OnesCount64(word); count > maxPlaces-2 {
			word = 0
		}
		c.marks[i&(markWords-1)] = word
	}
	c.marks[0] &^= 1 // nothing precedes it
	end := uint64(1) << (uint(limit) % 64)
	c.marks[last&(markWords-1)] = c.marks[last&(markWords-1)]&(end-1) | end
}

// findPlaces lists the marked positions up to limit with their candidates for a match. Since no
// candidate depends on a match, this loop has no branch that is hard to predict.
func (c *Compressor) findPlaces(limit int) {
	clear(c.short[:])
	clear(c.long[:])
	c.ranks[0] = 0
	i, k := 0, 0
	word := c.marks[0]
	for {
		// If a word is empty, the next one follows, mostly with a mark.
		more := nonzero(word)
		word |= c.marks[(i+1)&(markWords-1)] &^ more
		i += 1 + int(more)
		for word == 0 {
			c.ranks[i&(markWords-1)] = uint16(k)
			i++
			word = c.marks[i&(markWords-1)]
		}
		p := (i*64 + bits.TrailingZeros64(word)) & textMask
		word &= word - 1
		t := c.text[p : p+24]
		x, y, z := binary.LittleEndian.Uint64(t), binary.LittleEndian.Uint64(t[8:]), binary.LittleEndian.Uint64(t[16:])
		short, long := &c.short[hashShort(x)], &c.long[hashLong(x, y, z)]
		pair := uint64(*long)
		c.positions[k&(maxPlaces-1)] = uint32(p)
		c.candidates[k&(maxPlaces-1)] = uint64(*short) | pair<<16
		k++
		c.ranks[i&(markWords-1)] = uint16(k)
		*short = uint16(p)
		*long = uint32(pair<<16 | uint64(p&0xffff))
		if p >= limit {
			return
		}
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
