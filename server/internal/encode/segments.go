package encode

import (
	"fmt"
	"io"
	"sync"
)

// SegmentBytes is the length of a segment, in memory and in a [Store]. The last one of a
// sealed sequence may be shorter.
const SegmentBytes = 16 << 10

type segmentPool struct{ pool sync.Pool }

func (p *segmentPool) get() []byte {
	if s, ok := p.pool.Get().(*[SegmentBytes]byte); ok {
		return s[:]
	}
	return make([]byte, SegmentBytes)
}

func (p *segmentPool) put(s []byte) {
	if len(s) == SegmentBytes {
		p.pool.Put((*[SegmentBytes]byte)(s))
	}
}

// Segments is a sequence of bytes that grows without being copied. [Segments.Spill] moves
// its full segments out of memory. They can be read as before.
type Segments struct {
	pool    *segmentPool
	account Account
	length  int
	sealed  bool // no more is appended

	mu     sync.Mutex
	places []place
}

// place is where a segment is: in memory, or else in a store.
type place struct {
	memory []byte // nil if it is in the store
	// moving means that Spill is writing memory to a store. If Release comes first, Spill
	// frees the memory.
	moving bool
	store  Store
	id     int64
}

// append appends b. Only an unfinished member may call it.
func (s *Segments) append(b []byte) {
	for len(b) > 0 {
		used := s.length % SegmentBytes
		if used == 0 {
			draw(s.account, SegmentBytes)
			s.places = append(s.places, place{memory: s.pool.get()})
		}
		c := copy(s.places[len(s.places)-1].memory[used:], b)
		s.length += c
		b = b[c:]
	}
}

// seal cuts the last segment to its bytes: a small batch is much shorter than a segment.
// Nothing can be appended any more.
func (s *Segments) seal() {
	s.sealed = true
	used := s.length % SegmentBytes
	if used == 0 {
		return
	}
	last := &s.places[len(s.places)-1].memory
	full := *last
	*last = append(make([]byte, 0, used), full[:used]...)
	s.pool.put(full)
	draw(s.account, used-SegmentBytes)
}

// Len returns the number of bytes, in memory or not.
func (s *Segments) Len() int { return s.length }

// Account returns the account of the memory. It may be nil.
func (s *Segments) Account() Account { return s.account }

// Transfer moves the memory to another account. The Segments must be complete, and Spill
// must not be running.
func (s *Segments) Transfer(account Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := 0
	for _, p := range s.places {
		held += len(p.memory)
	}
	draw(account, held)
	draw(s.account, -held)
	s.account = account
}

// Release frees the memory, and the space in stores. Nothing else may use the Segments, but
// Spill may be running. Releasing again does nothing.
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
			s.pool.put(p.memory)
			released += len(p.memory)
		}
	}
	draw(s.account, -released)
}

// NewReader returns a reader of all bytes. There may be any number of readers until
// Release. They only fail with the errors of the store.
func (s *Segments) NewReader() io.Reader { return &segmentsReader{segments: s} }

type segmentsReader struct {
	segments *Segments
	offset   int
}

func (r *segmentsReader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if r.offset == r.segments.length {
		return 0, io.EOF
	}
	offset := r.offset % SegmentBytes
	b = b[:min(len(b), SegmentBytes-offset, r.segments.length-r.offset)]
	if err := r.segments.copyTo(b, r.offset/SegmentBytes, offset); err != nil {
		return 0, fmt.Errorf("read segment: %w", err)
	}
	r.offset += len(b)
	return len(b), nil
}

// copyTo fills b from segment i. It reads a store without the lock: its segments stay there
// until Release.
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

// Account counts the memory of members and segments.
type Account interface {
	// Draw adds bytes, which may be negative, to the account. It must not block, and must
	// be safe for concurrent use.
	Draw(bytes int)
}

// draw draws from a, which may be nil.
func draw(a Account, bytes int) {
	if a != nil && bytes != 0 {
		a.Draw(bytes)
	}
}
