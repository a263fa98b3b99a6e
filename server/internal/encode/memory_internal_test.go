package encode

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/scopegate/scopegate/server/internal/transcode"
)

// A member never holds more JSON than a chunk and a window, however it is fed;
// its buffer is no larger than that.
func TestMemoryBound(t *testing.T) {
	t.Parallel()
	for _, s := range []Settings{
		{Level: 1, ChunkBytes: 131_070, WindowBytes: maxWindowBytes, Compressors: 1},
		{Level: Scope, ChunkBytes: 120 << 10, WindowBytes: 8 << 10, Compressors: 1},
		{Level: Scope, ChunkBytes: 20_001, WindowBytes: 77, Compressors: 1},
		{Level: 1, ChunkBytes: MinChunkBytes, WindowBytes: maxWindowBytes, Compressors: 1},
		{Level: 1, ChunkBytes: 20_001, WindowBytes: 0, Compressors: 1},
		{Level: 1, ChunkBytes: 100_000, WindowBytes: 77, Compressors: 1},
	} {
		t.Run(fmt.Sprintf("level %d, chunk %d, window %d", s.Level, s.ChunkBytes, s.WindowBytes), func(t *testing.T) {
			t.Parallel()
			p, err := NewPool(s)
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			m := p.NewMember(nil)
			piece := make([]byte, 50_000)
			for range 60 {
				switch rng.IntN(8) {
				case 0:
					m.Compress()
				case 1:
					m.SetTail(m.Drain(m.Tail()))
				case 2:
					if m.RawBytes() > 0 {
						finished := m.Finish()
						finished.Release()
					}
				case 3:
					tail := m.Tail()
					m.SetTail(tail[:cap(tail)])
				default:
					_, _ = m.Write(piece[:rng.IntN(len(piece))])
				}
				bound := s.ChunkBytes + s.WindowBytes
				if s.Level == Scope {
					bound += (bound + 63) / 64 * 8
				}
				if got := m.buffer.held(); got > bound {
					t.Fatalf("holds %d bytes, more than %d", got, bound)
				}
				if m.TailBytes() > s.ChunkBytes || m.window > s.WindowBytes {
					t.Fatalf("tail of %d bytes, window of %d, want TailBytes at most %v and window at most %v", m.TailBytes(), m.window, s.ChunkBytes, s.WindowBytes)
				}
			}
			m.Discard()
			if m.buffer.json != nil || len(m.out.places) != 0 {
				t.Error("holds memory after Discard")
			}
		})
	}
}

// A member that has got little holds little.
func TestSmallMemberIsSmall(t *testing.T) {
	t.Parallel()
	p, err := NewPool(DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	m := p.NewMember(nil)
	if m.buffer.json != nil {
		t.Error("an unused member has a buffer")
	}
	_, _ = m.Write(make([]byte, minBufferBytes))
	if cap(m.buffer.json) != minBufferBytes {
		t.Errorf("%d bytes are held in %d, want %v", minBufferBytes, cap(m.buffer.json), minBufferBytes)
	}
}

// However much a member has got, by Write or in place: about a third of its
// buffer is unused at most, beside the room that a scope is appended with.
func TestUnusedBytes(t *testing.T) {
	t.Parallel()
	p, err := NewPool(DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n < p.settings.ChunkBytes; n += 1 + n/9 {
		written, appended := p.NewMember(nil), p.NewMember(nil)
		_, _ = written.Write(make([]byte, n))
		tail := appended.Tail()
		for len(tail) < n {
			if cap(tail)-len(tail) < transcode.Room {
				tail = appended.Drain(tail)
			}
			tail = tail[:min(n, len(tail)+100)]
		}
		appended.SetTail(tail)
		if got := cap(written.buffer.json); got > max(n+n/2, minBufferBytes) {
			t.Errorf("%d bytes are written to %d", n, got)
		}
		if m := n + transcode.Room; cap(appended.buffer.json) > max(m+m/2, minBufferBytes) {
			t.Errorf("%d bytes are appended to %d", n, cap(appended.buffer.json))
		}
		written.Discard()
		appended.Discard()
	}
}

// Buffers come back in the size that was asked for, and are given out again.
func TestBuffers(t *testing.T) {
	t.Parallel()
	for _, largest := range []int{MinChunkBytes, 20_001, 163_838, MaxChunkBytes + maxWindowBytes} {
		p := newBuffers(largest, true)
		for n := 1; n <= 2*largest; n += max(1, n/3) {
			b := p.get(n)
			if size := cap(b.json); len(b.json) != 0 || size < min(n, largest) || size > largest || size > max(n/2*3, minBufferBytes) {
				t.Errorf("largest %d: get(%d) has capacity %d", largest, n, size)
			}
			if want := (cap(b.json) + 63) / 64; len(b.marks) != want || slices.Max(b.marks) != 0 {
				t.Errorf("largest %d: get(%d) has %d words of marks, want %d, all 0", largest, n, len(b.marks), want)
			}
			b.marks[0], b.marks[len(b.marks)-1] = 1, 1
			p.put(b)
		}
		p.put(buffer{json: make([]byte, 0, largest+1)}) // is dropped
		p.put(buffer{json: make([]byte, 0, 5000)})
		if b := p.get(5000); cap(b.json) < 5000 {
			t.Errorf("largest %d: a buffer of odd size was kept: %d, want at least 5000", largest, cap(b.json))
		}
	}
}
