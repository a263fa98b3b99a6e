package encode

import (
	"fmt"
	"io"
	"sync"
)

// SegmentBytes is the length of a segment, in memory as in a [Store]. An upload
// that has compressed something holds one that is partly empty.
const SegmentBytes = 16 << 10

type segment [SegmentBytes]byte

type segmentPool struct{ pool sync.Pool }

func (p *segmentPool) take() *segment {
	if s, ok := p.pool.Get().(*segment); ok {
		return s
	}
	return new(segment)
}

func (p *segmentPool) give(s *segment) { p.pool.Put(s) }

// Segments is a sequence of bytes that grows without being copied. Its full
// segments can be moved out of memory, with [Segments.Spill], and are read as
// before.
//
// Release is for a caller that is the only one to use the Segments, except that
// Spill may run at the same time.
type Segments struct {
	pool    *segmentPool
	account Account
	length  int
	sealed  bool // nothing is written any more

	mu     sync.Mutex
	places []place
}

// place is where a segment is: in memory, or else in a store.
type place struct {
	memory *segment
	// moving tells that memory is being written to a store, and is Spill's to give
	// back should the place be gone when that is done.
	moving bool
	store  Store
	id     int64
}

// append appends b. It is for the member alone, until that is finished.
func (s *Segments) append(b []byte) {
	for len(b) > 0 {
		used := s.length % SegmentBytes
		if used == 0 {
			draw(s.account, SegmentBytes)
			s.places = append(s.places, place{memory: s.pool.take()})
		}
		c := copy(s.places[len(s.places)-1].memory[used:], b)
		s.length += c
		b = b[c:]
	}
}

// Len returns the number of bytes, wherever they are.
func (s *Segments) Len() int { return s.length }

// Account returns what the memory is drawn from; nil where it is not counted.
func (s *Segments) Account() Account { return s.account }

// Transfer has what is in memory be drawn from account from now on. It is for who
// takes the bytes over when they are all written, and not while Spill runs.
func (s *Segments) Transfer(account Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := 0
	for _, p := range s.places {
		if p.memory != nil {
			held += SegmentBytes
		}
	}
	draw(account, held)
	draw(s.account, -held)
	s.account = account
}

// Release gives the memory back, and the space in stores. Readers must have come
// to their end. Releasing again does nothing.
func (s *Segments) Release() {
	s.mu.Lock()
	places := s.places
	s.places, s.length = nil, 0
	s.mu.Unlock()
	released := 0
	for _, p := range places {
		switch {
		case p.memory == nil:
			p.store.Free(p.id)
		case !p.moving:
			s.pool.give(p.memory)
			released += SegmentBytes
		}
	}
	draw(s.account, -released)
}

// NewReader returns a reader of all the bytes, from the first one on. Any
// number of readers can be used, one after the other or at the same time, until
// Release. Reading fails only with what the store fails with.
func (s *Segments) NewReader() io.Reader { return &segmentsReader{of: s} }

type segmentsReader struct {
	of *Segments
	at int
}

func (r *segmentsReader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if r.at == r.of.length {
		return 0, io.EOF
	}
	offset := r.at % SegmentBytes
	b = b[:min(len(b), SegmentBytes-offset, r.of.length-r.at)]
	if err := r.of.copyTo(b, r.at/SegmentBytes, offset); err != nil {
		return 0, fmt.Errorf("read segment: %w", err)
	}
	r.at += len(b)
	return len(b), nil
}

// copyTo fills b with what segment i has from offset on. A store is read without
// the lock: its segments stay where they are until Release.
func (s *Segments) copyTo(b []byte, i, offset int) error {
	s.mu.Lock()
	p := s.places[i]
	if p.memory != nil {
		copy(b, p.memory[offset:])
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	return p.store.ReadAt(b, p.id, offset)
}
