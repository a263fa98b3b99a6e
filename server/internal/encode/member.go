package encode

import (
	"hash/crc32"
	"runtime"

	"github.com/scopegate/scopegate/server/internal/transcode"
)

// Member is the body of a gzip member in the making. Write JSON to it; or append
// to what [Member.Tail] returns, call [Member.Drain] when its capacity is used
// up, and hand the result to [Member.SetTail]. It is not safe for concurrent use.
//
// It holds at most Settings.ChunkBytes + Settings.WindowBytes beside its
// compressed bytes.
type Member struct {
	pool    *Pool
	account Account
	// buffer holds the window and, behind it, the tail: JSON that is not yet
	// compressed.
	buffer []byte
	window int
	out    *Body
	// borrowed is kept from one chunk to the next while JSON is appended, and
	// chunks counts them.
	borrowed *compressor
	chunks   int
	parked   parked
}

// maxRunChunks is how many chunks in a row one member may keep a compressor for,
// while others wait. Priming it anew after so many costs little.
const maxRunChunks = 8

// NewMember returns an empty member. The memory that it holds, and that what
// Finish returns holds, is drawn from account; nil: it is not counted.
func (p *Pool) NewMember(account Account) *Member {
	return &Member{pool: p, account: account, out: &Body{Segments: Segments{pool: &p.segments, account: account}}}
}

// Tail returns the slice to append JSON to. Its content is not the caller's.
func (m *Member) Tail() []byte {
	if m.buffer == nil {
		m.buffer = m.takeBuffer(smallestBytes)
	}
	return m.limited()
}

func (m *Member) takeBuffer(n int) []byte {
	b := m.pool.buffers.take(n)
	draw(m.account, cap(b))
	return b
}

// giveBuffer takes a buffer back, or nil.
func (m *Member) giveBuffer(b []byte) {
	m.pool.buffers.give(b)
	draw(m.account, -cap(b))
}

func (m *Member) dropBuffer() {
	m.giveBuffer(m.buffer)
	m.buffer, m.window = nil, 0
}

// limited returns the buffer with its capacity cut to where the chunk ends.
func (m *Member) limited() []byte {
	end := min(cap(m.buffer), m.window+m.pool.settings.ChunkBytes)
	return m.buffer[:len(m.buffer):end]
}

// SetTail takes back what Tail or Drain returned, with JSON appended within its
// capacity.
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
			m.giveBack() // so that it makes no difference how JSON is cut into writes
			tail = m.limited()
		}
		n := min(len(rest), cap(tail)-len(tail))
		tail, rest = append(tail, rest[:n]...), rest[n:]
	}
	m.SetTail(tail)
	return len(json), nil
}

// Drain makes room for transcode.Room bytes or more behind tail: in a larger
// buffer as long as the chunk has not its full length, then by compressing it.
// It returns the new tail to append to. The compressor is kept until SetTail, so
// nothing must be waited for meanwhile.
func (m *Member) Drain(tail []byte) []byte {
	m.buffer = m.buffer[:len(tail)]
	m.advance()
	tail = m.limited()
	for cap(tail)-len(tail) < transcode.Room {
		m.advance()
		tail = m.limited()
	}
	return tail
}

// advance takes the buffer's next size or, where the chunk fits into it, ends
// the chunk.
func (m *Member) advance() {
	if cap(m.buffer) >= m.window+m.pool.settings.ChunkBytes {
		m.compressChunk()
		return
	}
	larger := append(m.takeBuffer(cap(m.buffer)+1), m.buffer...)
	m.giveBuffer(m.buffer)
	m.buffer = larger
}

// Compress ends the chunk: what is in the tail is compressed now.
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
	m.borrowed.compress(chunk)
	if m.chunks++; m.chunks == maxRunChunks {
		m.giveBack()
		runtime.Gosched() // to those who wait for a core
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

// RawBytes returns how much JSON the member holds, the tail included.
func (m *Member) RawBytes() int64 { return m.out.rawBytes + int64(m.TailBytes()) }

// TailBytes returns how much of the JSON is not yet compressed.
func (m *Member) TailBytes() int { return len(m.buffer) - m.window }

// CompressedBytes returns the length of what has been compressed.
func (m *Member) CompressedBytes() int { return m.out.Len() }

// Finish ends the member and returns its body, which is the caller's from now on.
// The member equals a new one afterwards.
func (m *Member) Finish() *Body {
	m.Compress()
	finished := m.out
	finished.sealed = true
	m.dropBuffer() // whoever waits now until the next member begins holds nothing
	*m = *m.pool.NewMember(m.account)
	return finished
}

// Discard gives the member's memory back. The member equals a new one
// afterwards.
func (m *Member) Discard() {
	m.giveBack()
	m.out.Release()
	m.parked.free()
	m.dropBuffer()
	*m = *m.pool.NewMember(m.account)
}
