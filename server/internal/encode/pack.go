package encode

import (
	"fmt"
	"math/bits"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/scopegate/scopegate/server/internal/transcode"
)

// minPackBytes is the shortest buffer that is worth packing.
const minPackBytes = 2 << 10

// packed is the buffer of a packed member, in zstd format: its JSON, and its marks. Unlike
// deflate blocks, it is never sent: so packing does not affect the batch's bytes.
type packed struct {
	bytes     []byte // nil if the member is not packed, or is parked
	len       int    // of the JSON
	jsonBytes int    // how many of bytes it takes
}

// Packings is how many members are packed at a time; others wait. It is more than there are
// processors, because a goroutine that packs may have to wait for one.
const Packings = 8

// PackingBytes is the memory of a packing.
const PackingBytes = 600 << 10

type packer struct {
	decoder     *zstd.Decoder
	windowBytes int
	begun       chan struct{} // one for each packing

	mu   sync.Mutex
	free []*packing // the last used one is used first, so there are no more than were needed
}

// packing is what packing a member takes.
type packing struct {
	encoder        *zstd.Encoder
	marks, scratch []byte
}

func newPacker(bufferBytes int) (*packer, error) {
	p := &packer{windowBytes: zstd.MinWindowSize, begun: make(chan struct{}, Packings)}
	for p.windowBytes < bufferBytes {
		p.windowBytes *= 2
	}
	var err error
	if p.decoder, err = zstd.NewReader(nil, zstd.WithDecoderLowmem(true)); err != nil {
		return nil, fmt.Errorf("make packer: %w", err)
	}
	return p, nil
}

func (p *packer) begin() *packing {
	p.begun <- struct{}{}
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.free) - 1; last >= 0 {
		w := p.free[last]
		p.free = p.free[:last]
		return w
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(p.windowBytes), zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
	if err != nil {
		panic("make packer: " + err.Error()) // the options are valid
	}
	return &packing{encoder: encoder}
}

func (p *packer) end(w *packing) {
	p.mu.Lock()
	p.free = append(p.free, w)
	p.mu.Unlock()
	<-p.begun
}

// pack packs b into a slice of just the length.
func (p *packer) pack(b buffer) packed {
	w := p.begin()
	defer p.end(w)
	w.scratch = w.encoder.EncodeAll(b.json, w.scratch[:0])
	jsonBytes := len(w.scratch)
	if b.marks != nil {
		w.marks = appendMarks(w.marks[:0], b.marks)
		w.scratch = w.encoder.EncodeAll(w.marks, w.scratch)
	}
	return packed{
		bytes: append(make([]byte, 0, len(w.scratch)), w.scratch...), len: len(b.json), jsonBytes: jsonBytes,
	}
}

// unpack unpacks into an empty buffer with room for all.
func (p *packer) unpack(from packed, into *buffer) {
	into.json = p.decode(into.json, from.bytes[:from.jsonBytes])
	if into.marks != nil {
		setMarks(into.marks, p.decode(nil, from.bytes[from.jsonBytes:]))
	}
}

func (p *packer) decode(dst, packed []byte) []byte {
	dst, err := p.decoder.DecodeAll(packed, dst)
	if err != nil {
		panic("unpack: " + err.Error()) // pack made the bytes
	}
	return dst
}

// longGap stands for so many positions without a mark.
const longGap = 255

// appendMarks appends the distance from each mark to the next.
func appendMarks(dst []byte, marks []uint64) []byte {
	last := -1
	for i, word := range marks {
		for ; word != 0; word &= word - 1 {
			at := i*64 + bits.TrailingZeros64(word)
			for ; at-last >= longGap; last += longGap {
				dst = append(dst, longGap)
			}
			dst = append(dst, byte(at-last))
			last = at
		}
	}
	return dst
}

// setMarks adds the marks of which packed has the distances.
func setMarks(marks []uint64, packed []byte) {
	at := -1
	for _, gap := range packed {
		if at += int(gap); gap < longGap {
			marks[at/64] |= 1 << (at % 64)
		}
	}
}

// Pack makes the JSON that is not yet compressed take less memory, while no more is
// written. Unpack must be called before other methods, except Park and Discard, and except
// those that return a length.
func (m *Member) Pack() {
	if len(m.buffer.json) >= minPackBytes {
		m.pack()
	}
}

func (m *Member) pack() {
	m.packed = m.pool.packer.pack(m.buffer)
	draw(m.account, cap(m.packed.bytes))
	m.putBuffer(m.buffer)
	m.buffer = buffer{}
}

// Unpack undoes Pack. It does nothing if the member is not packed.
func (m *Member) Unpack() {
	if m.packed.bytes == nil {
		return
	}
	m.buffer = m.getBuffer(m.packed.len + transcode.Room)
	m.pool.packer.unpack(m.packed, &m.buffer)
	m.dropPacked()
}

func (m *Member) dropPacked() {
	draw(m.account, -cap(m.packed.bytes))
	m.packed = packed{}
}
