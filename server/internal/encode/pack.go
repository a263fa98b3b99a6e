package encode

import (
	"sync"

	"github.com/klauspost/compress/s2"

	"github.com/scopegate/scopegate/server/internal/transcode"
)

// minPackBytes is the shortest buffer that is worth packing.
const minPackBytes = 2 << 10

// packed is the buffer of a packed member in S2 format. Unlike deflate blocks, it is
// never sent: so packing does not affect the batch's bytes.
type packed struct {
	bytes []byte // nil if the member is not packed
	len   int    // of the buffer
}

// packer lends one scratch buffer, to bound what packing holds.
type packer struct {
	mu      sync.Mutex
	scratch []byte
}

// pack returns b in S2 format, in a slice of just that length.
func (p *packer) pack(b []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scratch = s2.EncodeBetter(p.scratch[:cap(p.scratch)], b)
	return append(make([]byte, 0, len(p.scratch)), p.scratch...)
}

// Pack makes the JSON that is not yet compressed take less memory, while no more is
// written. Unpack must be called before other methods, except Park and Discard, and except
// those that return a length.
func (m *Member) Pack() {
	if m.packed.bytes != nil || len(m.buffer) < minPackBytes {
		return
	}
	m.packed = packed{bytes: m.pool.packer.pack(m.buffer), len: len(m.buffer)}
	draw(m.account, cap(m.packed.bytes))
	m.putBuffer(m.buffer)
	m.buffer = nil
}

// Unpack undoes Pack. It does nothing if the member is not packed.
func (m *Member) Unpack() {
	if m.packed.bytes == nil {
		return
	}
	buffer, err := s2.Decode(m.getBuffer(m.packed.len + transcode.Room)[:m.packed.len], m.packed.bytes)
	if err != nil {
		panic("unpack: " + err.Error()) // Pack made the bytes
	}
	m.buffer = buffer
	m.dropPacked()
}

func (m *Member) dropPacked() {
	draw(m.account, -cap(m.packed.bytes))
	m.packed = packed{}
}
