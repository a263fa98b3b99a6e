package encode

import (
	"io"
	"sync"
)

// segmentBytes is the length of a segment. An upload that has compressed
// something holds one that is partly empty.
const segmentBytes = 16 << 10

type segment [segmentBytes]byte

type segmentPool struct{ pool sync.Pool }

func (p *segmentPool) take() *segment {
	if s, ok := p.pool.Get().(*segment); ok {
		return s
	}
	return new(segment)
}

// Segments is a sequence of bytes that grows without being copied. It is an
// io.Writer that never fails.
type Segments struct {
	pool     *segmentPool
	segments []*segment
	length   int
}

// Write appends b.
func (s *Segments) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		used := s.length % segmentBytes
		if used == 0 {
			s.segments = append(s.segments, s.pool.take())
		}
		c := copy(s.segments[len(s.segments)-1][used:], b)
		s.length += c
		b = b[c:]
	}
	return n, nil
}

// Len returns the number of bytes.
func (s *Segments) Len() int { return s.length }

// NewReader returns a reader of all the bytes, from the first one on. Any
// number of readers can be used, one after the other or at the same time, until
// Release.
func (s *Segments) NewReader() io.Reader { return &segmentsReader{of: s} }

// Release gives the memory back. The caller must be the only user left.
// Releasing again does nothing.
func (s *Segments) Release() {
	for _, seg := range s.segments {
		s.pool.pool.Put(seg)
	}
	*s = Segments{pool: s.pool}
}

// segmentsReader reads Segments; it implements io.WriterTo, so that copying
// takes no buffer.
type segmentsReader struct {
	of *Segments
	at int
}

// next returns what can be read at one go; empty at the end.
func (r *segmentsReader) next() []byte {
	if r.at == r.of.length {
		return nil
	}
	i := r.at / segmentBytes
	end := min(segmentBytes, r.of.length-i*segmentBytes)
	return r.of.segments[i][r.at%segmentBytes : end]
}

func (r *segmentsReader) Read(b []byte) (int, error) {
	piece := r.next()
	if len(piece) == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	n := copy(b, piece)
	r.at += n
	return n, nil
}

func (r *segmentsReader) WriteTo(w io.Writer) (int64, error) {
	var written int64
	for piece := r.next(); len(piece) > 0; piece = r.next() {
		n, err := w.Write(piece)
		r.at += n
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}
