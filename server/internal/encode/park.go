package encode

import (
	"fmt"

	"github.com/scopegate/scopegate/server/internal/transcode"
)

// parked is where the window and the bytes of the partly filled segment are, one
// behind the other, while a member is parked.
type parked struct {
	store       Store // nil: not parked
	blocks      []int64
	windowBytes int
}

// Park compresses what the member has, and moves all of it to store: it holds no
// memory afterwards, and must be unparked before anything is added to it, and
// before it is finished. It does nothing to a member that is parked. When it
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
	if err := to.put(&m.pool.segments, m.buffer[:m.window], m.out.partial()); err != nil {
		return fmt.Errorf("park: %w", err)
	}
	m.out.dropPartial()
	m.dropBuffer()
	m.parked = to
	return nil
}

// Unpark takes back from the store what the member needs to go on. It does
// nothing to a member that is not parked. When it fails, with the store's error,
// the member is still parked: Unpark can be tried again.
func (m *Member) Unpark() error {
	from := m.parked
	if from.store == nil {
		return nil
	}
	var buffer []byte
	if from.windowBytes > 0 {
		buffer = m.takeBuffer(from.windowBytes + transcode.Room)[:from.windowBytes]
	}
	last := m.pool.segments.take()
	if err := from.read(buffer, last[:m.out.partialBytes()]); err != nil {
		m.pool.segments.give(last)
		m.giveBuffer(buffer)
		return fmt.Errorf("unpark: %w", err)
	}
	m.out.restorePartial(last)
	m.buffer, m.window, m.parked = buffer, from.windowBytes, parked{}
	from.free()
	return nil
}

// put puts window and partial into as few blocks as hold them. When it fails,
// there are none.
func (p *parked) put(pool *segmentPool, window, partial []byte) error {
	block := pool.take()
	defer pool.give(block)
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

// read is the reverse of put, for as many bytes.
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

// partialBytes is how much of the last segment is filled; 0 where it is full.
func (s *Segments) partialBytes() int { return s.length % SegmentBytes }

// partial returns what the segment has that is not full yet.
func (s *Segments) partial() []byte {
	n := s.partialBytes()
	if n == 0 {
		return nil
	}
	return s.places[len(s.places)-1].memory[:n]
}

// dropPartial gives up what partial returns. append needs it restored.
func (s *Segments) dropPartial() {
	if s.partialBytes() == 0 {
		return
	}
	last := len(s.places) - 1
	s.pool.give(s.places[last].memory)
	s.places = s.places[:last]
	draw(s.account, -SegmentBytes)
}

// restorePartial is the reverse of dropPartial. It takes memory over.
func (s *Segments) restorePartial(memory *segment) {
	if s.partialBytes() == 0 {
		s.pool.give(memory)
		return
	}
	s.places = append(s.places, place{memory: memory})
	draw(s.account, SegmentBytes)
}
