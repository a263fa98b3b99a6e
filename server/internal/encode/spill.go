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
func (b *Body) Spill(store Store) (freedBytes int, err error) {
	for i := 0; ; i++ {
		var moving *segment
		if moving, i = b.claim(i); moving == nil {
			return freedBytes, nil
		}
		id, err := store.Put(moving[:])
		if b.settle(moving, i, store, id, err) {
			freedBytes += SegmentBytes
		}
		if err != nil {
			return freedBytes, fmt.Errorf("spill segment: %w", err)
		}
	}
}

// claim returns the first segment from i on that can be moved, and its
// number; nil where there is none. It is the caller's to settle.
func (b *Body) claim(i int) (*segment, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	movable := b.length / SegmentBytes
	if b.sealed {
		movable = len(b.places)
	}
	for ; i < movable; i++ {
		if p := &b.places[i]; p.memory != nil && !p.moving {
			p.moving = true
			return p.memory, i
		}
	}
	return nil, i
}

// settle ends the move of segment i, which was put as id unless err tells why
// not, and returns whether its memory was freed.
func (b *Body) settle(moving *segment, i int, store Store, id int64, err error) bool {
	b.mu.Lock()
	released := i >= len(b.places) || b.places[i].memory != moving
	switch {
	case released:
	case err != nil:
		b.places[i].moving = false
	default:
		b.places[i] = place{store: store, id: id}
	}
	b.mu.Unlock()
	if released && err == nil {
		store.Free(id)
	}
	if !released && err != nil {
		return false
	}
	b.pool.give(moving)
	draw(b.account, -SegmentBytes)
	return true
}
