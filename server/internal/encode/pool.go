package encode

import (
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/klauspost/compress/flate"
)

// Settings decide between speed, size and memory.
type Settings struct {
	// Level is the compression level, 1 (fastest) to 9 (smallest).
	Level int
	// ChunkBytes is the length of a chunk of JSON that is compressed at one go.
	// A member that waits holds at most as much, and the window.
	ChunkBytes int
	// WindowBytes is how much of the JSON in front of a chunk its matches may
	// refer back to; at most 32768, the reach of deflate. Reading it in again
	// takes time with every chunk; 0 saves that and costs bytes.
	WindowBytes int
	// Compressors is how many chunks can be compressed at the same time, and
	// how many compressors, of about 1 MB each, there are. 0: GOMAXPROCS.
	Compressors int
}

// blockBytes is the length of the longest deflate block that the compressor
// makes. A chunk is best a multiple of it: a short block at its end would bring
// Huffman tables of its own.
const blockBytes = 65535

// DefaultSettings returns the settings that docs/benchmarks.md recommends.
func DefaultSettings() Settings {
	return Settings{Level: 6, ChunkBytes: 2 * blockBytes, WindowBytes: 16 << 10}
}

// What [Settings] may be.
const (
	MinLevel      = 1
	MaxLevel      = 9
	MinChunkBytes = 16 << 10 // below, priming costs more than compressing
	MaxChunkBytes = 4 << 20

	maxWindowBytes = 32 << 10 // RFC 1951, section 2
)

// Validate returns an error that names the first setting that is out of range.
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

// Pool owns the compressors and the buffers of all members. It is safe for
// concurrent use.
type Pool struct {
	settings Settings
	free     chan *compressor
	waits    waits
	buffers  buffers
	segments segmentPool
}

// NewPool makes a pool. It fails on settings that are out of range.
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

// compressor compresses for whoever has borrowed it.
type compressor struct {
	deflate *flate.Writer
	out     *Segments
	// window is a copy, because the deflate writer keeps what it was primed with
	// and would hold on to a member's whole buffer.
	window []byte
}

// Write takes what the deflate writer puts out.
func (c *compressor) Write(b []byte) (int, error) {
	c.out.append(b)
	return len(b), nil
}

// borrow returns a compressor that appends deflate blocks to out, which may
// refer back to window. It waits until one is free: never for longer than those
// who came before need for their chunks, because nobody keeps one while waiting
// for something else.
func (p *Pool) borrow(out *Segments, window []byte) *compressor {
	c := p.take()
	c.out = out
	c.window = append(c.window[:0], window...)
	c.deflate.ResetDict(c, c.window)
	return c
}

// compress appends the blocks of a chunk. It can't fail, as Segments takes all
// that is appended to it.
func (c *compressor) compress(chunk []byte) { _, _ = c.deflate.Write(chunk) }

// giveBack ends the blocks at a byte border and returns the compressor.
func (p *Pool) giveBack(c *compressor) {
	_ = c.deflate.Flush()
	c.out = nil
	p.free <- c
}
