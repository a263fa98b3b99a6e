package encode

import "fmt"

// parked is where a parked member's packed buffer and last partial segment are, one after the
// other.
type parked struct {
	store       Store // nil if the member is not parked
	blocks      []int64
	packedBytes int
}

// Park moves the member to store. It then holds no memory, and must be unparked before other
// calls, except that parking again does nothing. If the store fails, the member stays as it was.
func (m *Member) Park(store Store) error {
	if m.parked.store != nil {
		return nil
	}
	if m.packed.bytes == nil && len(m.buffer.json) > 0 {
		m.pack()
		defer func() {
			if m.parked.store == nil {
				m.Unpack()
			}
		}()
	}
	if _, err := m.out.Spill(store); err != nil {
		return fmt.Errorf("park: %w", err)
	}
	p := parked{store: store, packedBytes: len(m.packed.bytes)}
	if err := p.put(&m.pool.segments, m.packed.bytes, m.out.partial()); err != nil {
		return fmt.Errorf("park: %w", err)
	}
	m.out.dropPartial()
	m.putBuffer(m.buffer)
	m.buffer = buffer{}
	draw(m.account, -cap(m.packed.bytes))
	m.packed.bytes = nil
	m.parked = p
	return nil
}

// Unpark reads the parked state from the store. It does nothing if the member is not
// parked. If the store fails, the member stays parked and Unpark can be tried again.
func (m *Member) Unpark() error {
	p := m.parked
	if p.store == nil {
		return nil
	}
	packed := make([]byte, p.packedBytes)
	last := m.pool.segments.get()
	if err := p.read(packed, last[:m.out.partialBytes()]); err != nil {
		m.pool.segments.put(last)
		return fmt.Errorf("unpark: %w", err)
	}
	m.out.restorePartial(last)
	m.parked = parked{}
	p.free()
	if len(packed) > 0 {
		m.packed.bytes = packed
		draw(m.account, cap(packed))
		m.Unpack()
	}
	return nil
}

// put stores packed and partial in as few blocks as possible. If it fails, it stores none.
func (p *parked) put(pool *segmentPool, packed, partial []byte) error {
	block := pool.get()
	defer pool.put(block)
	for len(packed)+len(partial) > 0 {
		w := copy(block, packed)
		n := copy(block[w:], partial)
		packed, partial = packed[w:], partial[n:]
		id, err := p.store.Put(block)
		if err != nil {
			p.free()
			return err
		}
		p.blocks = append(p.blocks, id)
	}
	return nil
}

// read fills packed and partial from the blocks.
func (p *parked) read(packed, partial []byte) error {
	for _, id := range p.blocks {
		w := min(len(packed), SegmentBytes)
		n := min(len(partial), SegmentBytes-w)
		if err := p.store.ReadAt(packed[:w], id, 0); err != nil {
			return err
		}
		if err := p.store.ReadAt(partial[:n], id, w); err != nil {
			return err
		}
		packed, partial = packed[w:], partial[n:]
	}
	return nil
}

func (p *parked) free() {
	for _, id := range p.blocks {
		p.store.Free(id)
	}
}

// partialBytes returns how much of the last segment is filled; 0 if it is full.
func (s *Segments) partialBytes() int { return s.length % SegmentBytes }

// partial returns the content of a partial last segment.
func (s *Segments) partial() []byte {
	n := s.partialBytes()
	if n == 0 {
		return nil
	}
	return s.places[len(s.places)-1].memory[:n]
}

// dropPartial frees a partial last segment. It must be restored before append.
func (s *Segments) dropPartial() {
	if s.partialBytes() == 0 {
		return
	}
	last := len(s.places) - 1
	s.pool.put(s.places[last].memory)
	s.places = s.places[:last]
	draw(s.account, -SegmentBytes)
}

// restorePartial restores a partial last segment. It takes ownership of memory.
func (s *Segments) restorePartial(memory []byte) {
	if s.partialBytes() == 0 {
		s.pool.put(memory)
		return
	}
	s.places = append(s.places, place{memory: memory})
	draw(s.account, SegmentBytes)
}
