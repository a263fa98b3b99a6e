package deflate

import "encoding/binary"

// The first bits of a block (RFC 1951, section 3.2.3): whether it is the last, and its kind.
const (
	lastBlock    = 1
	storedBlock  = 0 << 1
	fixedBlock   = 1 << 1
	dynamicBlock = 2 << 1
)

// maxStored is the length of the longest stored block.
const maxStored = 65535

// appendBlock appends text as a block of the literals and sequences that it consists of, and an
// empty stored block to end at a byte boundary. If that is not shorter, it appends text as stored
// blocks.
func (c *Compressor) appendBlock(dst, text []byte, literals int, sequences []sequence) []byte {
	h := &c.histogram
	h.literals[endOfBlock] = 1
	var lengths lengthTable
	codeLengths(lengths.literals[:literalCount], h.literals[:literalCount], maxCodeBits)
	codeLengths(lengths.distances[:distanceCount], h.distances[:distanceCount], maxCodeBits)
	c.header.set(&lengths)
	dynamic := c.header.bits() + h.codedBits(&lengths)
	fixed := 3 + h.codedBits(&fixedLengths)

	const bytes = 4 // of the stored block after its 3 bits and the padding
	length := (min(dynamic, fixed)+h.extraBits()+3+7)/8 + bytes
	if stored := len(text) + 5*((len(text)+maxStored-1)/maxStored); stored <= length {
		return AppendStored(dst, text, false)
	}
	start := len(dst)
	dst = append(dst, make([]byte, length+8)...)
	w := bitWriter{out: dst[start:]}
	if fixed <= dynamic {
		lengths = fixedLengths
		w.add(fixedBlock, 3)
	} else {
		c.header.write(&w)
	}
	c.codes.set(&lengths)
	c.writeSymbols(&w, literals, sequences)
	w.add(storedBlock, 3)
	w.add(0, -w.n&7)
	binary.LittleEndian.PutUint32(w.out[w.at:], 0xffff0000)
	return dst[:start+w.at+bytes]
}

// AppendStored appends text as blocks that are not compressed (RFC 1951, section 3.2.4), at
// least one. The last one ends the stream if final is set. dst must end at a byte boundary.
func AppendStored(dst, text []byte, final bool) []byte {
	for {
		n := min(len(text), maxStored)
		kind := byte(storedBlock)
		if final && n == len(text) {
			kind |= lastBlock
		}
		dst = append(dst, kind)
		dst = binary.LittleEndian.AppendUint16(dst, uint16(n))
		dst = binary.LittleEndian.AppendUint16(dst, ^uint16(n))
		dst = append(dst, text[:n]...)
		if text = text[n:]; len(text) == 0 {
			return dst
		}
	}
}
