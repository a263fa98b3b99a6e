package encode

import "fmt"

// Store keeps segments out of memory. It must be safe for concurrent use.
type Store interface {
	// Put stores a copy of block, which is at most SegmentBytes long, until its id is
	// freed.
	Put(block []byte) (id int64, err error)
	// ReadAt fills b with the block's bytes from offset. It never returns io.EOF.
	ReadAt(b []byte, id int64, offset int) error
	// Free frees a block that is no longer read.
	Free(id int64)
}

// Spill moves the segments to store in order, except a partial last one of an unfinished
// member, and returns how much memory it has freed. It stops at the first error of the
// store; the rest stays in memory. It may run while others read, spill or release the same
// segments, but not while a member appends to them.
func (s *Segments) Spill(store Store) (freedBytes int, err error) {
	for i := 0; ; i++ {
		var moving []byte
		if moving, i = s.claim(i); moving == nil {
			return freedBytes, nil
		}
		id, err := store.Put(moving)
		if s.settle(moving, i, store, id, err) {
			freedBytes += len(moving)
		}
		if err != nil {
			return freedBytes, fmt.Errorf("spill segment: %w", err)
		}
	}
}

// claim returns the first segment from i that can be moved and its index, or nil. The
// caller must call settle.
func (s *Segments) claim(i int) ([]byte, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	movable := s.length / SegmentBytes
	if s.sealed {
		movable = len(s.places)
	}
	for ; i < movable; i++ {
		if p := &s.places[i]; p.memory != nil && !p.moving {
			p.moving = true
			return p.memory, i
		}
	}
	return nil, i
}

// settle ends the move of segment i, stored as id unless err is set, and reports whether
// its memory was freed.
func (s *Segments) settle(moving []byte, i int, store Store, id int64, err error) bool {
	s.mu.Lock()
	released := i >= len(s.places) || !s.places[i].moving
	switch {
	case released:
	case err != nil:
		s.places[i].moving = false
	default:
		s.places[i] = place{store: store, id: id}
	}
	s.mu.Unlock()
	if released && err == nil {
		store.Free(id)
	}
	if !released && err != nil {
		return false
	}
	s.pool.put(moving)
	draw(s.account, -len(moving))
	return true
}
