package encode

import (
	"fmt"

	"github.com/scopegate/scopegate/server/internal/transcode"
)

// parked is where a parked member's window and last partial segment are, one after the
// other.
type parked struct {
	store       Store // nil if the member is not parked
	blocks      []int64
	windowBytes int
}

// Park compresses all JSON and moves it to store. The member then holds no memory, and must
// be unparked before other calls, except that parking again does nothing. If the store
// fails, the member stays as it was.
func (m *Member) Park(store Store) error {
	if m.parked.store != nil {
		return nil
	}
	m.Unpack()
	m.Compress()
	if _, err := m.out.Spill(store); err != nil {
		return fmt.Errorf("park: %w", err)
	}
	p := parked{store: store, windowBytes: m.window}
	if err := p.put(&m.pool.segments, m.buffer[:m.window], m.out.partial()); err != nil {
		return fmt.Errorf("park: %w", err)
	}
	m.out.dropPartial()
	m.dropBuffer()
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
	var buffer []byte
	if p.windowBytes > 0 {
		buffer = m.getBuffer(p.windowBytes + transcode.Room)[:p.windowBytes]
	}
	last := m.pool.segments.get()
	if err := p.read(buffer, last[:m.out.partialBytes()]); err != nil {
		m.pool.segments.put(last)
		m.putBuffer(buffer)
		return fmt.Errorf("unpark: %w", err)
	}
	m.out.restorePartial(last)
	m.buffer, m.window, m.parked = buffer, p.windowBytes, parked{}
	p.free()
	return nil
}

// put stores window and partial in as few blocks as possible. If it fails, it stores none.
func (p *parked) put(pool *segmentPool, window, partial []byte) error {
	block := pool.get()
	defer pool.put(block)
	for len(window)+len(partial) > 0 {
		w := copy(block[:], window)
		n := copy(block[w:], partial)
		window, partial = window[w:], partial[n:]
		id, err := p.store.Put(block[:])
		if err != nil {
			p.free()
			return err
		}
		p.blocks = append(p.blocks, id)
	}
	return nil
}

// read fills window and partial from the blocks.
func (p *parked) read(window, partial []byte) error {
	for _, id := range p.blocks {
		w := min(len(window), SegmentBytes)
		n := min(len(partial), SegmentBytes-w)
		if err := p.store.ReadAt(window[:w], id, 0); err != nil {
			return err
		}
		if err := p.store.ReadAt(partial[:n], id, w); err != nil {
			return err
		}
		window, partial = window[w:], partial[n:]
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
