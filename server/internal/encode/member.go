package encode

import (
	"hash/crc32"
	"runtime"

	"github.com/scopegate/scopegate/server/internal/transcode"
)

// Member builds the body of a gzip member. Write JSON to it; or append to the result of
// [Member.Tail], call [Member.Drain] when it is full, and pass the result to
// [Member.SetTail]. It is not safe for concurrent use. Besides compressed bytes it holds at
// most Settings.ChunkBytes + Settings.WindowBytes.
type Member struct {
	pool    *Pool
	account Account
	// buffer is the window followed by the tail: JSON not yet compressed.
	buffer []byte
	window int
	out    *Body
	// borrowed is kept while JSON is appended, for at most maxRunChunks chunks.
	borrowed *compressor
	chunks   int
	packed   packed
	parked   parked
}

// maxRunChunks limits the chunks that a member compresses in a row while others wait for
// the compressor.
const maxRunChunks = 8

// NewMember returns an empty member. Account is drawn from for its memory and that of its
// body; it may be nil.
func (p *Pool) NewMember(account Account) *Member {
	return &Member{pool: p, account: account, out: &Body{Segments: Segments{pool: &p.segments, account: account}}}
}

// Tail returns the slice to append JSON to. The caller must not change its content.
func (m *Member) Tail() []byte {
	if m.buffer == nil {
		m.buffer = m.getBuffer(minBufferBytes)
	}
	return m.tail()
}

func (m *Member) getBuffer(n int) []byte {
	b := m.pool.buffers.get(n)
	draw(m.account, cap(b))
	return b
}

// putBuffer frees a buffer, which may be nil.
func (m *Member) putBuffer(b []byte) {
	m.pool.buffers.put(b)
	draw(m.account, -cap(b))
}

func (m *Member) dropBuffer() {
	m.putBuffer(m.buffer)
	m.buffer, m.window = nil, 0
}

// tail returns the buffer with its capacity cut at the end of the chunk.
func (m *Member) tail() []byte {
	end := min(cap(m.buffer), m.window+m.pool.settings.ChunkBytes)
	return m.buffer[:len(m.buffer):end]
}

// SetTail takes the result of Tail or Drain with JSON appended within its capacity.
func (m *Member) SetTail(tail []byte) {
	m.buffer = m.buffer[:len(tail)]
	m.giveBack()
}

// Write appends JSON. It never fails.
func (m *Member) Write(json []byte) (int, error) {
	tail := m.Tail()
	for rest := json; len(rest) > 0; {
		if len(tail) == cap(tail) {
			m.buffer = m.buffer[:len(tail)]
			m.advance()
			m.giveBack() // so that the bytes do not depend on the sizes of writes
			tail = m.tail()
		}
		n := min(len(rest), cap(tail)-len(tail))
		tail, rest = append(tail, rest[:n]...), rest[n:]
	}
	m.SetTail(tail)
	return len(json), nil
}

// Drain returns a tail with room for at least transcode.Room bytes. It enlarges the buffer
// up to the length of a chunk, then compresses it. The compressor is kept until SetTail, so
// the caller must not wait for anything before.
func (m *Member) Drain(tail []byte) []byte {
	m.buffer = m.buffer[:len(tail)]
	m.advance()
	tail = m.tail()
	for cap(tail)-len(tail) < transcode.Room {
		m.advance()
		tail = m.tail()
	}
	return tail
}

// Marks returns nil: no compressor takes marks.
func (m *Member) Marks() []uint64 { return nil }

// advance enlarges the buffer or, if it holds a whole chunk, compresses it.
func (m *Member) advance() {
	if cap(m.buffer) >= m.window+m.pool.settings.ChunkBytes {
		m.compressChunk()
		return
	}
	larger := append(m.getBuffer(cap(m.buffer)+1), m.buffer...)
	m.putBuffer(m.buffer)
	m.buffer = larger
}

// Compress ends the chunk and compresses it.
func (m *Member) Compress() {
	m.compressChunk()
	m.giveBack()
}

func (m *Member) compressChunk() {
	chunk := m.buffer[m.window:]
	if len(chunk) == 0 {
		return
	}
	m.out.sum = crc32.Update(m.out.sum, crc32.IEEETable, chunk)
	m.out.rawBytes += int64(len(chunk))
	if m.borrowed == nil {
		m.borrowed = m.pool.borrow(&m.out.Segments, m.buffer[:m.window])
	}
	_, _ = m.borrowed.deflate.Write(chunk) // appending to Segments can't fail
	if m.chunks++; m.chunks == maxRunChunks {
		m.giveBack()
		runtime.Gosched()
	}
	m.window = min(m.pool.settings.WindowBytes, len(m.buffer))
	n := copy(m.buffer, m.buffer[len(m.buffer)-m.window:])
	m.buffer = m.buffer[:n]
}

func (m *Member) giveBack() {
	if m.borrowed != nil {
		m.pool.giveBack(m.borrowed)
		m.borrowed, m.chunks = nil, 0
	}
}

// RawBytes returns the length of the JSON, including the tail.
func (m *Member) RawBytes() int64 { return m.out.rawBytes + int64(m.TailBytes()) }

// TailBytes returns the length of the JSON that is not yet compressed.
func (m *Member) TailBytes() int { return len(m.buffer) + m.packed.len - m.window }

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
	m.giveBack()
	m.out.Release()
	m.parked.free()
	m.dropPacked()
	m.dropBuffer()
	*m = *m.pool.NewMember(m.account)
}
