package gosym

import "math/bits"

// lineSet is a set of lines. Most have lines of a small function only, and take 16 bytes.
type lineSet struct {
	// first is the first line, and bit i of bits means the line i after it, if wide is 0.
	first int32
	// wide is otherwise an index, from 1 on, into the wide sets.
	wide int32
	bits uint64
}

// wideSets are the spans of sets with lines too far apart for a lineSet.
type wideSets [][]span

const lineSetBits = 64

// isEmpty reports whether there is no line in the set.
func (l *lineSet) isEmpty() bool { return l.wide == 0 && l.bits == 0 }

// spans returns the set as ascending spans.
func (w wideSets) spans(l lineSet) []span {
	if l.wide > 0 {
		return w[l.wide-1]
	}
	if l.bits == 0 {
		return nil
	}
	out := make([]span, 0, bits.OnesCount64(l.bits&^(l.bits<<1)))
	for rest, line := l.bits, l.first; rest != 0; {
		skip := bits.TrailingZeros64(rest)
		rest, line = rest>>skip, line+int32(skip)
		length := bits.TrailingZeros64(^rest)
		out = append(out, span{line, line + int32(length) - 1})
		rest, line = rest>>length, line+int32(length)
	}
	return out
}

// ends returns the first and the last line of a set that is not empty.
func (w wideSets) ends(l lineSet) (first, last int32) {
	if l.wide > 0 {
		spans := w[l.wide-1]
		return spans[0].first, spans[len(spans)-1].last
	}
	return l.first, l.first + int32(bits.Len64(l.bits)) - 1
}

// add adds lines to the set. It returns for how many more spans there is memory.
func (w *wideSets) add(l *lineSet, lines []span) int {
	if len(lines) == 0 {
		return 0
	}
	first, last := lines[0].first, lines[len(lines)-1].last
	if l.wide == 0 && l.bits != 0 {
		begin, end := w.ends(*l)
		first, last = min(first, begin), max(last, end)
	}
	if l.wide > 0 || int64(last)-int64(first) >= lineSetBits {
		all := union(w.spans(*l), lines)
		if l.wide == 0 {
			*w = append(*w, nil)
			*l = lineSet{wide: int32(len(*w))}
		}
		more := cap(all) - cap((*w)[l.wide-1])
		(*w)[l.wide-1] = all
		return more
	}
	if l.bits != 0 {
		l.bits <<= l.first - first
	}
	l.first = first
	for _, s := range lines {
		length := s.last - s.first + 1
		l.bits |= ^uint64(0) >> (lineSetBits - length) << (s.first - first)
	}
	return 0
}
