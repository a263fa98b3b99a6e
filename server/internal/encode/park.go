package encode

import "fmt"

// parked is what a member needs from a store to go on.
type parked struct {
	store       Store
	window      int64 // the block that holds the window, where that is not empty
	windowBytes int
}

// Park compresses what the member has, and moves all of it to store: it holds no
// memory afterwards, and must be unparked before anything is added to it. When it
// fails, with the store's error, the member can be used as before.
func (m *Member) Park(store Store) error {
	if m.parked.store != nil {
		return nil
	}
	m.Compress()
	if _, err := m.out.Spill(store); err != nil {
		return fmt.Errorf("park: %w", err)
	}
	to := parked{store: store, windowBytes: m.window}
	if m.window > 0 {
		block := m.pool.segments.take()
		copy(block[:], m.buffer[:m.window])
		id, err := store.Put(block[:])
		m.pool.segments.give(block)
		if err != nil {
			return fmt.Errorf("park window: %w", err)
		}
		to.window = id
	}
	if err := m.out.spillLast(store); err != nil {
		to.free()
		return fmt.Errorf("park: %w", err)
	}
	m.parked = to
	m.dropBuffer()
	return nil
}

// Unpark takes back from the store what the member needs to go on. It does
// nothing to a member that is not parked. When it fails, with the store's error,
// the member is of no use any more, except to Discard.
func (m *Member) Unpark() error {
	from := m.parked
	if from.store == nil {
		return nil
	}
	if err := m.out.unspillLast(); err != nil {
		return fmt.Errorf("unpark: %w", err)
	}
	buffer := m.takeBuffer(from.windowBytes)[:from.windowBytes]
	if from.windowBytes > 0 {
		if err := from.store.ReadAt(buffer, from.window, 0); err != nil {
			m.giveBuffer(buffer)
			return fmt.Errorf("unpark window: %w", err)
		}
	}
	from.free()
	m.buffer, m.window, m.parked = buffer, from.windowBytes, parked{}
	return nil
}

func (p parked) free() {
	if p.store != nil && p.windowBytes > 0 {
		p.store.Free(p.window)
	}
}

func (m *Member) dropBuffer() {
	if m.buffer != nil {
		m.giveBuffer(m.buffer)
	}
	m.buffer, m.window = nil, 0
}

// spillLast moves the last segment to store, which Write must not be called
// after, if it is partly empty.
func (s *Segments) spillLast(store Store) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.length%SegmentBytes == 0 {
		return nil
	}
	last := &s.places[len(s.places)-1]
	id, err := store.Put(last.memory[:])
	if err != nil {
		return err
	}
	s.pool.give(last.memory)
	draw(s.account, -SegmentBytes)
	*last = place{store: store, id: id}
	return nil
}

// unspillLast is the reverse of spillLast.
func (s *Segments) unspillLast() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := s.length % SegmentBytes
	if used == 0 {
		return nil
	}
	last := &s.places[len(s.places)-1]
	memory := s.pool.take()
	if err := last.store.ReadAt(memory[:used], last.id, 0); err != nil {
		s.pool.give(memory)
		return err
	}
	draw(s.account, SegmentBytes)
	last.store.Free(last.id)
	*last = place{memory: memory}
	return nil
}
