package deflate

import (
	"encoding/binary"
	"math/bits"
)

// The alphabets of literals and lengths, and of distances (RFC 1951, section 3.2.5).
const (
	endOfBlock   = 256
	firstLength  = 257
	literalCount = 286
	lengthCount  = literalCount - firstLength
	// distanceCount is the number of distances.
	distanceCount = 30

	maxMatch = 258
)

// lengthSymbols has the symbol of each length - 3, less firstLength; how many bits follow it; and
// the lowest length - 3 with this symbol.
var lengthSymbols = func() (t [256]struct{ symbol, extra, base uint8 }) {
	base := 0
	for symbol := range lengthCount - 1 {
		extra := lengthExtra(symbol)
		for i := range 1 << extra {
			t[base+i].symbol, t[base+i].extra, t[base+i].base = uint8(symbol), uint8(extra), uint8(base)
		}
		base += 1 << extra
	}
	t[255].symbol, t[255].extra, t[255].base = lengthCount-1, 0, 255
	return t
}()

// lengthExtra returns how many bits follow a length, given its symbol less firstLength.
func lengthExtra(symbol int) int {
	if symbol == lengthCount-1 {
		return 0
	}
	return max(0, symbol/4-1)
}

// distanceSymbol returns the symbol of a distance - 1.
func distanceSymbol(d uint32) uint32 {
	if d < 4 {
		return d
	}
	n := uint32(bits.Len32(d)) - 2
	return 2*n + d>>n
}

// distanceExtra returns how many bits follow a distance, given its symbol.
func distanceExtra(symbol int) int { return max(0, symbol/2-1) }

// sequence is a run of literals and the match after it:
//
//	bits 0-7    length of the match - 3
//	bits 8-12   symbol of the distance
//	bits 13-27  distance - 1
//	bits 32-    length of the run
type sequence uint64

// histogram counts the symbols of a block. Its arrays are longer than the alphabets, so that it is
// cheap to bound an index.
type histogram struct {
	literals  [512]uint32 // and lengths
	distances [32]uint32
}

// extraBits returns how many bits follow lengths and distances.
func (h *histogram) extraBits() int {
	n := 0
	for symbol := range lengthCount {
		n += int(h.literals[firstLength+symbol]) * lengthExtra(symbol)
	}
	for symbol := range distanceCount {
		n += int(h.distances[symbol]) * distanceExtra(symbol)
	}
	return n
}

// codedBits returns how many bits the symbols take, without the bits that follow them.
func (h *histogram) codedBits(t *lengthTable) int {
	return codedBits(h.literals[:literalCount], t.literals[:]) + codedBits(h.distances[:distanceCount], t.distances[:])
}

func codedBits(frequencies []uint32, lengths []uint8) int {
	n := 0
	for symbol, count := range frequencies {
		n += int(count) * int(lengths[symbol])
	}
	return n
}

// lengthTable has the lengths of a block's codes. Fixed blocks have codes for symbols that do not
// occur.
type lengthTable struct {
	literals  [literalCount + 2]uint8
	distances [distanceCount + 2]uint8
}

// fixedLengths are the lengths of a fixed block's codes (RFC 1951, section 3.2.6).
var fixedLengths = func() (t lengthTable) {
	for symbol := range t.literals {
		switch {
		case symbol < 144, symbol >= 280:
			t.literals[symbol] = 8
		case symbol < 256:
			t.literals[symbol] = 9
		default:
			t.literals[symbol] = 7
		}
	}
	for symbol := range t.distances {
		t.distances[symbol] = 5
	}
	return t
}()

// codes are a block's codes: how many bits in the lowest byte, and from bit 8 the bits, the first
// one lowest.
type codes struct {
	literals [literalCount + 2]uint32
	// lengths has the code of each length - 3 together with the bits that follow it.
	lengths [256]uint32
	// distances has the number of bits that follow from bit 8, and the code from bit 16.
	distances [distanceCount + 2]uint32
}

func (c *codes) set(t *lengthTable) {
	assignCodes(c.literals[:], t.literals[:])
	for i, l := range lengthSymbols {
		code := c.literals[firstLength+int(l.symbol)]
		c.lengths[i] = code + uint32(l.extra) + uint32(uint8(i)-l.base)<<(8+code&0xff)
	}
	assignCodes(c.distances[:], t.distances[:])
	for symbol, code := range c.distances {
		c.distances[symbol] = code&0xff | uint32(distanceExtra(symbol))<<8 | code>>8<<16
	}
}

// firstOf3 has masks for the first of three codes; the fourth makes it quick to index.
var firstOf3 = [4][4]uint32{{}, {1<<32 - 1}, {1<<32 - 1, 1<<32 - 1}, {1<<32 - 1, 1<<32 - 1, 1<<32 - 1}}

// writeSymbols writes the sequences, the literals after the last one, and the end of the block. A
// code has up to 15 bits, so the 64 bits of waiting take three literals, or a match.
func (c *Compressor) writeSymbols(w *bitWriter, literals int, sequences []sequence) {
	out, at, waiting, n := w.out, uint(w.at), w.waiting, w.n
	codes, text := &c.codes, &c.literals
	l := uint(0)
	for _, s := range sequences {
		// The last three, or fewer, are written without a branch.
		for run := int(s >> 32); ; run -= 3 {
			keep := &firstOf3[smaller(run, 3)&3]
			i := codes.literals[text[l&textMask]] & keep[0]
			j := codes.literals[text[l&textMask+1]] & keep[1]
			k := codes.literals[text[l&textMask+2]] & keep[2]
			waiting |= uint64(i>>8) << (n & 63)
			n += uint(i & 0xff)
			waiting |= uint64(j>>8) << (n & 63)
			n += uint(j & 0xff)
			waiting |= uint64(k>>8) << (n & 63)
			n += uint(k & 0xff)
			binary.LittleEndian.PutUint64(out[at:at+8], waiting)
			at += n >> 3
			waiting >>= n & 56
			n &= 7
			if run <= 3 {
				l += uint(run)
				break
			}
			l += 3
		}
		length := codes.lengths[s&0xff]
		waiting |= uint64(length>>8) << (n & 63)
		n += uint(length & 0xff)
		distance := codes.distances[s>>8&31]
		waiting |= uint64(distance>>16) << (n & 63)
		n += uint(distance & 0xff)
		extra := uint(distance>>8) & 0xff
		waiting |= uint64(s) >> 13 & (1<<(extra&63) - 1) << (n & 63)
		n += extra
		binary.LittleEndian.PutUint64(out[at:at+8], waiting)
		at += n >> 3
		waiting >>= n & 56
		n &= 7
	}
	w.at, w.waiting, w.n = int(at), waiting, n
	for _, literal := range text[l:literals] {
		w.addCode(codes.literals[literal])
	}
	w.addCode(codes.literals[endOfBlock])
}

func (w *bitWriter) addCode(code uint32) { w.add(uint64(code>>8), uint(code&0xff)) }
