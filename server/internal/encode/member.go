package encode

import (
	"hash/crc32"

	"github.com/scopegate/scopegate/server/internal/transcode"
)

// Member builds the body of a gzip member. Write JSON to it; or append to the result of
// [Member.Tail], call [Member.Drain] when it is full, and pass the result to
// [Member.SetTail]. It is not safe for concurrent use. Besides compressed bytes it holds at
// most Settings.ChunkBytes + Settings.WindowBytes, and an eighth of that for marks.
type Member struct {
	pool    *Pool
	account Account
	// buffer is the window followed by the tail: JSON not yet compressed.
	buffer buffer
	window int
	out    *Body
	verify bool // see Pool.Verify
	packed packed
	parked parked
}

// NewMember returns an empty member. Account is drawn from for its memory and that of its
// body; it may be nil.
func (p *Pool) NewMember(account Account) *Member {
	return &Member{pool: p, account: account, out: &Body{Segments: Segments{pool: &p.segments, account: account}}}
}

// Tail returns the slice to append JSON to. The caller must not change its content.
func (m *Member) Tail() []byte {
	if m.buffer.json == nil {
		m.buffer = m.getBuffer(minBufferBytes)
	}
	return m.tail()
}

// Marks returns the marks of the buffer; see [transcode.Sink]. It is nil if the compressor
// takes none.
func (m *Member) Marks() []uint64 { return m.buffer.marks }

func (m *Member) getBuffer(n int) buffer {
	b := m.pool.buffers.get(n)
	draw(m.account, b.held())
	return b
}

// putBuffer frees a buffer, which may be empty.
func (m *Member) putBuffer(b buffer) {
	m.pool.buffers.put(b)
	draw(m.account, -b.held())
}

func (m *Member) dropBuffer() {
	m.putBuffer(m.buffer)
	m.buffer, m.window = buffer{}, 0
}

// tail returns the buffer with its capacity cut at the end of the chunk.
func (m *Member) tail() []byte {
	json := m.buffer.json
	return json[:len(json):min(cap(json), m.window+m.pool.settings.ChunkBytes)]
}

// SetTail takes the result of Tail or Drain with JSON appended within its capacity.
func (m *Member) SetTail(tail []byte) { m.buffer.json = m.buffer.json[:len(tail)] }

// Write appends JSON. It never fails.
func (m *Member) Write(json []byte) (int, error) {
	tail := m.Tail()
	for rest := json; len(rest) > 0; {
		if len(tail) == cap(tail) {
			m.advance()
			tail = m.tail()
		}
		n := min(len(rest), cap(tail)-len(tail))
		tail, rest = append(tail, rest[:n]...), rest[n:]
		m.SetTail(tail)
		m.buffer.mark(len(tail) - n)
	}
	return len(json), nil
}

// Drain returns a tail with room for at least transcode.Room bytes. It enlarges the buffer
// up to the length of a chunk, then compresses it.
func (m *Member) Drain(tail []byte) []byte {
	m.SetTail(tail)
	m.advance()
	tail = m.tail()
	for cap(tail)-len(tail) < transcode.Room {
		m.advance()
		tail = m.tail()
	}
	return tail
}

// advance enlarges the buffer or, if it holds a whole chunk, compresses it.
func (m *Member) advance() {
	if cap(m.buffer.json) >= m.window+m.pool.settings.ChunkBytes {
		m.Compress()
		return
	}
	larger := m.getBuffer(cap(m.buffer.json) + 1)
	larger.json = append(larger.json, m.buffer.json...)
	copy(larger.marks, m.buffer.marks)
	m.putBuffer(m.buffer)
	m.buffer = larger
}

// Compress ends the chunk and compresses it.
func (m *Member) Compress() {
	if len(m.buffer.json) <= m.window {
		return
	}
	chunk := m.buffer.json[m.window:]
	if m.out.rawBytes == 0 {
		m.verify = m.pool.verification.choose()
	}
	m.out.sum = crc32.Update(m.out.sum, crc32.IEEETable, chunk)
	m.out.rawBytes += int64(len(chunk))
	c := m.pool.borrow()
	defer m.pool.giveBack(c)
	blocks := c.compress(m.buffer, m.window)
	if m.verify {
		blocks = m.pool.verified(blocks, m.buffer, m.window)
	}
	m.out.append(blocks)
	m.window = m.buffer.keepEnd(m.pool.settings.WindowBytes)
}

// RawBytes returns the length of the JSON, including the tail.
func (m *Member) RawBytes() int64 { return m.out.rawBytes + int64(m.TailBytes()) }

// TailBytes returns the length of the JSON that is not yet compressed.
func (m *Member) TailBytes() int { return len(m.buffer.json) + m.packed.len - m.window }

// CompressedBytes returns the length of the compressed bytes so far.
func (m *Member) CompressedBytes() int { return m.out.Len() }

// Finish returns the body, which the caller must release. The member is then like a new one.
func (m *Member) Finish() *Body {
	m.Compress()
	finished := m.out
	finished.seal()
	m.dropBuffer() // the next scope may be long in coming
	*m = *m.pool.NewMember(m.account)
	return finished
}

// Discard frees the member's memory. The member is then like a new one.
func (m *Member) Discard() {
	m.out.Release()
	m.parked.free()
	m.dropPacked()
	m.dropBuffer()
	*m = *m.pool.NewMember(m.account)
}
