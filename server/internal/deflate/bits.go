package deflate

import "encoding/binary"

// bitWriter writes bits, the lowest first.
type bitWriter struct {
	out []byte // with room for 8 bytes more than are written
	at  int
	// waiting are the bits that do not fill a byte: n, fewer than 8.
	waiting uint64
	n       uint
}

// add writes the n lowest bits of b, at most 48. The others must be 0.
func (w *bitWriter) add(b uint64, n uint) {
	w.waiting |= b << w.n
	w.n += n
	binary.LittleEndian.PutUint64(w.out[w.at:], w.waiting)
	w.at += int(w.n / 8)
	w.waiting >>= w.n &^ 7
	w.n &= 7
}
