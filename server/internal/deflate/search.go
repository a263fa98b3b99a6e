package deflate

import (
	"encoding/binary"
	"math/bits"
)

// search finds matches from start to end of the text.
func (c *Compressor) search(marks []uint64, start, end int) (literals, sequences int) {
	limit := end - noStart
	cursor := start
	if start < limit {
		c.findCandidates(c.findPlaces(marks, limit))
		clear(c.inner[:])
		literals, sequences, cursor = c.matches(start, limit, end)
	}
	literals += copy(c.literals[literals:], c.text[cursor:end])
	for _, l := range c.literals[:literals] {
		c.histogram.literals[l]++
	}
	return literals, sequences
}

// matches writes literals and sequences up to cursor, where no further match begins before limit.
func (c *Compressor) matches(start, limit, end int) (literals, sequences, cursor int) {
	k := c.rank(start) // of the next place
	cursor = start     // the first byte that is not written
	p := max(1, start) // the first position that was not looked at
	for p < limit {
		candidates := c.candidates[k&(maxPlaces-1)]
		q := int(c.positions[k&(maxPlaces-1)])
		if q-p > 2 {
			// Words within a value.
			starts := wordStarts(c.load(p - 1))
			if starts == 0 {
				p += 8
				continue
			}
			if i := p + bits.TrailingZeros64(starts)>>3; i < q {
				x := c.load(i)
				slot := &c.inner[hashShort(x)]
				candidate := uint64(*slot)
				*slot = uint16(i)
				d := back(i, candidate)
				if c.load(i-1-d) != x {
					p = i + 1
					continue
				}
				q = i
				candidates = candidate * (1<<32 + 1<<16 + 1)
				k--
			}
		}
		k++
		if q >= limit {
			break
		}
		x := c.load(q)
		c.inner[hashShort(x)] = uint16(q)
		for again := true; again; {
			// The newer candidate by the long hash, or else the one by the short hash.
			d, newer := back(q, candidates), back(q, candidates>>16)
			differ := c.load(q-1-d) ^ x | uint64(d/tooFar)
			differNewer := c.load(q-1-newer) ^ x | uint64(newer/tooFar)
			keep := nonzero(differNewer)
			if differ&keep != 0 {
				p = q + 1
				break
			}
			d = newer + (d-newer)&int(keep)
			next := c.extend(q+8, d+1, end)
			// The older one must agree up to the byte that ended the match.
			older := back(q, candidates>>32)
			if c.load(next-7) == c.load(next-7-older-1) && older < tooFar {
				if further := c.extend(q, older+1, end); further > next {
					next, d = further, older
				}
			}
			// The match may begin up to eight bytes before, unless its source is at the very start.
			before := bits.LeadingZeros64(c.load(q-8)^c.load(q-8-d-1)) >> 3
			begin := q - smaller(before, q-cursor)&((7-(q-d-1))>>63)

			// The match is cut where the last place within it begins a better one, which must also
			// agree in the eight bytes after it.
			k = c.rank(next)
			candidates = c.candidates[(k-1)&(maxPlaces-1)]
			q = int(c.positions[(k-1)&(maxPlaces-1)])
			other := back(q, candidates)
			again = false
			if c.load(next)^c.load(next-other-1)|uint64(q-begin-minCut)>>63 == 0 {
				x = c.load(q)
				if next < limit && other < tooFar && c.extend(q, other+1, end) >= next+minGain {
					again = true
					next = q
				}
			}

			run := begin - cursor
			l := literals & textMask
			binary.LittleEndian.PutUint64(c.literals[l:], c.load(cursor))
			binary.LittleEndian.PutUint64(c.literals[l+8:], c.load(cursor+8))
			if run > 16 {
				copy(c.literals[literals:], c.text[cursor:begin])
			}
			literals += run
			symbol := distanceSymbol(uint32(d))
			length := next - begin
			for ; length > maxMatch; sequences++ {
				n := smaller(maxMatch, length-minMatch)
				c.put(sequences, run, n, symbol, d)
				length -= n
				run = 0
			}
			c.put(sequences, run, length, symbol, d)
			sequences++
			cursor, p = next, next
		}
	}
	return literals, sequences, cursor
}

// extend returns the first position from i on at which the text differs from the text distance
// bytes before it, or end.
func (c *Compressor) extend(i, distance, end int) int {
	for ; i < end; i += 8 {
		if differ := c.load(i) ^ c.load(i-distance); differ != 0 {
			return smaller(i+bits.TrailingZeros64(differ)>>3, end)
		}
	}
	return end
}

// put stores sequence i: a run of literals, and a match after it whose distance - 1 is d.
func (c *Compressor) put(i, run, length int, symbol uint32, d int) {
	c.histogram.literals[(firstLength+uint(lengthSymbols[uint8(length-3)].symbol))%uint(len(c.histogram.literals))]++
	c.histogram.distances[symbol%uint32(len(c.histogram.distances))]++
	c.sequences[uint(i)%uint(len(c.sequences))] = sequence(length-3) | sequence(symbol)<<8 | sequence(d)<<13 | sequence(run)<<32
}
