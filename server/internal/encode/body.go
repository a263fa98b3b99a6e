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

// Body is JSON that is compressed and complete except for what stands in front of
// it and behind it: deflate blocks that refer back to nothing but each other and
// end at a byte border. [Body.File] puts the rest around them.
//
// It grows without being copied, while a member writes to it. Its full segments
// can be moved out of memory, with [Body.Spill], and are read as before.
//
// Release is for a caller that is the only one to use the Body, except that Spill
// may run at the same time.
type Body struct {
	pool     *segmentPool
	account  Account
	length   int
	rawBytes int64
	sum      uint32 // CRC-32 of the JSON
	sealed   bool   // nothing is written any more

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

// append appends blocks. It is for the member alone, until that is finished.
func (b *Body) append(blocks []byte) {
	for len(blocks) > 0 {
		used := b.length % SegmentBytes
		if used == 0 {
			draw(b.account, SegmentBytes)
			b.places = append(b.places, place{memory: b.pool.take()})
		}
		c := copy(b.places[len(b.places)-1].memory[used:], blocks)
		b.length += c
		blocks = blocks[c:]
	}
}

// Len returns the number of bytes, wherever they are.
func (b *Body) Len() int { return b.length }

// RawBytes returns the length of the JSON.
func (b *Body) RawBytes() int64 { return b.rawBytes }

// Account returns what the memory is drawn from; nil where it is not counted.
func (b *Body) Account() Account { return b.account }

// Transfer has what is in memory be drawn from account from now on. It is for who
// takes the bytes over when they are all written, and not while Spill runs.
func (b *Body) Transfer(account Account) {
	b.mu.Lock()
	defer b.mu.Unlock()
	held := 0
	for _, p := range b.places {
		if p.memory != nil {
			held += SegmentBytes
		}
	}
	draw(account, held)
	draw(b.account, -held)
	b.account = account
}

// Release gives the memory back, and the space in stores. Readers must have come
// to their end. Releasing again does nothing.
func (b *Body) Release() {
	b.mu.Lock()
	places := b.places
	b.places, b.length = nil, 0
	b.mu.Unlock()
	released := 0
	for _, p := range places {
		switch {
		case p.memory == nil:
			p.store.Free(p.id)
		case !p.moving:
			b.pool.give(p.memory)
			released += SegmentBytes
		}
	}
	draw(b.account, -released)
}

// NewReader returns a reader of all the bytes, from the first one on. Any
// number of readers can be used, one after the other or at the same time, until
// Release. Reading fails only with what the store fails with.
func (b *Body) NewReader() io.Reader { return &bodyReader{of: b} }

type bodyReader struct {
	of *Body
	at int
}

func (r *bodyReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.at == r.of.length {
		return 0, io.EOF
	}
	offset := r.at % SegmentBytes
	p = p[:min(len(p), SegmentBytes-offset, r.of.length-r.at)]
	if err := r.of.copyTo(p, r.at/SegmentBytes, offset); err != nil {
		return 0, fmt.Errorf("read segment: %w", err)
	}
	r.at += len(p)
	return len(p), nil
}

// copyTo fills p with what segment i has from offset on. A store is read without
// the lock: its segments stay where they are until Release.
func (b *Body) copyTo(p []byte, i, offset int) error {
	b.mu.Lock()
	from := b.places[i]
	if from.memory != nil {
		copy(p, from.memory[offset:])
		b.mu.Unlock()
		return nil
	}
	b.mu.Unlock()
	return from.store.ReadAt(p, from.id, offset)
}
