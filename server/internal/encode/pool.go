package encode

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/flate"
)

// Settings trade speed, size and memory.
type Settings struct {
	// Level is the compression level, 1 (fastest) to 9 (smallest).
	Level int
	// ChunkBytes is the length of JSON that is compressed at once. A waiting member holds
	// at most a chunk and a window.
	ChunkBytes int
	// WindowBytes is how far before a chunk its matches may refer; at most 32768, the reach
	// of deflate. Priming a compressor with it takes time for every chunk; 0 costs bytes
	// instead.
	WindowBytes int
	// Compressors is the number of compressors, of about 1 MB each. 0 means GOMAXPROCS.
	Compressors int
}

// blockBytes is the longest deflate block of the compressor. A chunk should be a multiple:
// a short last block would have its own Huffman tables.
const blockBytes = 65535

// DefaultSettings returns the settings that docs/benchmarks.md recommends.
func DefaultSettings() Settings {
	return Settings{Level: 6, ChunkBytes: 2 * blockBytes, WindowBytes: 16 << 10}
}

// Limits of [Settings].
const (
	MinLevel      = 1
	MaxLevel      = 9
	MinChunkBytes = 16 << 10 // below, priming costs more than compressing
	MaxChunkBytes = 4 << 20

	maxWindowBytes = 32 << 10 // RFC 1951, section 2
)

// Validate returns an error that names the first setting out of range.
func (s Settings) Validate() error {
	switch {
	case s.Level < MinLevel || s.Level > MaxLevel:
		return fmt.Errorf("compression level %d is not between %d and %d", s.Level, MinLevel, MaxLevel)
	case s.ChunkBytes < MinChunkBytes || s.ChunkBytes > MaxChunkBytes:
		return fmt.Errorf("chunk of %d bytes is not between %d and %d", s.ChunkBytes, MinChunkBytes, MaxChunkBytes)
	case s.WindowBytes < 0 || s.WindowBytes > maxWindowBytes:
		return fmt.Errorf("window of %d bytes is not between 0 and %d", s.WindowBytes, maxWindowBytes)
	case s.Compressors < 0:
		return errors.New("number of compressors is negative")
	}
	return nil
}

// Pool owns the compressors and buffers of all members. It is safe for concurrent use.
type Pool struct {
	settings Settings
	free     chan *compressor
	waiting  atomic.Int64 // members
	waits    atomic.Int64 // that have ended
	waited   atomic.Int64 // nanoseconds
	buffers  buffers
	segments segmentPool
	packer   packer
}

// NewPool returns a pool, or an error if a setting is out of range.
func NewPool(s Settings) (*Pool, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("make compressors: %w", err)
	}
	if s.Compressors == 0 {
		s.Compressors = runtime.GOMAXPROCS(0)
	}
	p := &Pool{
		settings: s,
		free:     make(chan *compressor, s.Compressors),
		buffers:  newBuffers(s.WindowBytes + s.ChunkBytes),
	}
	for range s.Compressors {
		w, err := flate.NewWriter(io.Discard, s.Level)
		if err != nil {
			return nil, fmt.Errorf("make compressors: %w", err)
		}
		p.free <- &compressor{deflate: w, window: make([]byte, 0, s.WindowBytes)}
	}
	return p, nil
}

// compressor is lent to one member at a time.
type compressor struct {
	deflate *flate.Writer
	out     *Segments
	// window is a copy, because the deflate writer keeps a reference to its dictionary.
	window []byte
}

// Write appends the output of the deflate writer.
func (c *compressor) Write(b []byte) (int, error) {
	c.out.append(b)
	return len(b), nil
}

// borrow waits for a free compressor, and primes it with window to append to out. The
// borrower must not wait for anything before it calls giveBack.
func (p *Pool) borrow(out *Segments, window []byte) *compressor {
	var c *compressor
	select {
	case c = <-p.free:
	default:
		start := time.Now()
		p.waiting.Add(1)
		c = <-p.free
		p.waiting.Add(-1)
		p.waits.Add(1)
		p.waited.Add(int64(time.Since(start)))
	}
	c.out = out
	c.window = append(c.window[:0], window...)
	c.deflate.ResetDict(c, c.window)
	return c
}

// giveBack flushes to a byte boundary.
func (p *Pool) giveBack(c *compressor) {
	_ = c.deflate.Flush()
	c.out = nil
	p.free <- c
}

// PoolState is the state of a pool.
type PoolState struct {
	// Compressors is the number of compressors, InUse of those that are borrowed.
	Compressors, InUse int
	// Waiting is the number of members that wait for a compressor.
	Waiting int
	// Waits is the number of waits that have ended, Waited their total time.
	Waits  int64
	Waited time.Duration
}

// State returns the current state.
func (p *Pool) State() PoolState {
	return PoolState{
		Compressors: cap(p.free),
		InUse:       cap(p.free) - len(p.free),
		Waiting:     int(p.waiting.Load()),
		Waits:       p.waits.Load(),
		Waited:      time.Duration(p.waited.Load()),
	}
}

// minBufferBytes is the capacity of a member's first buffer.
const minBufferBytes = 4 << 10

// buffers is a pool of buffers of 4, 6, 8, 10, 14, 20, 28, 40 … KiB. A member grows through
// all of them, so about a third of its memory is unused at most. They are size classes of
// the allocator.
type buffers struct {
	sizes []int // ascending
	pools []sync.Pool
}

func newBuffers(largest int) buffers {
	sizes := []int{minBufferBytes, 6 << 10, 8 << 10}
	for unit := 2 << 10; 5*unit < largest; unit *= 2 {
		sizes = append(sizes, 5*unit, 7*unit)
	}
	beyond, _ := slices.BinarySearch(sizes, largest)
	sizes = append(sizes[:beyond], largest)
	return buffers{sizes: sizes, pools: make([]sync.Pool, len(sizes))}
}

// get returns an empty buffer with a capacity of at least n, or the largest.
func (p *buffers) get(n int) []byte {
	i, _ := slices.BinarySearch(p.sizes, n)
	i = min(i, len(p.sizes)-1)
	if b, ok := p.pools[i].Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, p.sizes[i])
}

func (p *buffers) put(b []byte) {
	if i, ok := slices.BinarySearch(p.sizes, cap(b)); ok {
		p.pools[i].Put(&b)
	}
}
