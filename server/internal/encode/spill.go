package encode

import "fmt"

// Store keeps segments out of memory. It must be safe for concurrent use.
type Store interface {
	// Put keeps a copy of block, which is SegmentBytes long, until the id that it
	// returns is freed. It does not hold on to block.
	Put(block []byte) (id int64, err error)
	// ReadAt fills b with what the block id has from offset on, or fails, with
	// another error than io.EOF.
	ReadAt(b []byte, id int64, offset int) error
	// Free forgets a block, which is not read any more.
	Free(id int64)
}

// Spill moves the segments that are in memory to store, the first ones first, and
// returns how much memory that has freed. The last one stays while a member
// writes to it. At the first error of the store Spill stops; what is not moved
// then stays in memory, and all can be read.
//
// It may run while others read, spill or release the same segments, but not
// while the member appends to them.
func (s *Segments) Spill(store Store) (freedBytes int, err error) {
	for i := 0; ; i++ {
		var moving *segment
		if moving, i = s.claim(i); moving == nil {
			return freedBytes, nil
		}
		id, err := store.Put(moving[:])
		if s.settle(moving, i, store, id, err) {
			freedBytes += SegmentBytes
		}
		if err != nil {
			return freedBytes, fmt.Errorf("spill segment: %w", err)
		}
	}
}

// claim returns the first segment from i on that can be moved, and its
// number; nil where there is none. It is the caller's to settle.
func (s *Segments) claim(i int) (*segment, int) {
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

// settle ends the move of segment i, which was put as id unless err tells why
// not, and returns whether its memory was freed.
func (s *Segments) settle(moving *segment, i int, store Store, id int64, err error) bool {
	s.mu.Lock()
	released := i >= len(s.places) || s.places[i].memory != moving
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
	s.pool.give(moving)
	draw(s.account, -SegmentBytes)
	return true
}
