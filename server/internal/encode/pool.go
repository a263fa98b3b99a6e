package encode

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

// Settings trade speed, size and memory.
type Settings struct {
	// Level is [Scope], or the level of an ordinary compressor: 1 (fastest) to 9 (smallest).
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

// DefaultSettings returns the settings that docs/benchmarks.md recommends.
func DefaultSettings() Settings {
	return Settings{Level: Scope, ChunkBytes: 120 << 10, WindowBytes: 8 << 10}
}

// Limits of [Settings].
const (
	Scope         = 0 // the compressor that knows where values are: package deflate
	MaxLevel      = 9
	MinChunkBytes = 16 << 10 // below, priming costs more than compressing
	MaxChunkBytes = 4 << 20

	maxWindowBytes = 32 << 10 // RFC 1951, section 2
)

// Validate returns an error that names the first setting out of range.
func (s Settings) Validate() error {
	switch {
	case s.Level < Scope || s.Level > MaxLevel:
		return fmt.Errorf("compression level %d is not between %d and %d", s.Level, Scope, MaxLevel)
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
	packer   *packer

	verification verification
}

// NewPool returns a pool, or an error if a setting is out of range.
func NewPool(s Settings) (*Pool, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("make compressors: %w", err)
	}
	if s.Compressors == 0 {
		s.Compressors = runtime.GOMAXPROCS(0)
	}
	bufferBytes := s.WindowBytes + s.ChunkBytes
	packer, err := newPacker(bufferBytes)
	if err != nil {
		return nil, err
	}
	p := &Pool{
		settings: s,
		free:     make(chan *compressor, s.Compressors),
		buffers:  newBuffers(bufferBytes, s.Level == Scope),
		packer:   packer,
	}
	for range s.Compressors {
		c, err := newCompressor(s.Level, s.WindowBytes)
		if err != nil {
			return nil, fmt.Errorf("make compressors: %w", err)
		}
		p.free <- c
	}
	return p, nil
}

// borrow waits for a free compressor. The borrower must not wait for anything before it gives the
// compressor back.
func (p *Pool) borrow() *compressor {
	select {
	case c := <-p.free:
		return c
	default:
	}
	start := time.Now()
	p.waiting.Add(1)
	c := <-p.free
	p.waiting.Add(-1)
	p.waits.Add(1)
	p.waited.Add(int64(time.Since(start)))
	return c
}

func (p *Pool) giveBack(c *compressor) { p.free <- c }

// PoolState is the state of a pool.
type PoolState struct {
	// Compressors is the number of compressors, InUse of those that are borrowed.
	Compressors, InUse int
	// Waiting is the number of members that wait for a compressor.
	Waiting int
	// Waits is the number of waits that have ended, Waited their total time.
	Waits  int64
	Waited time.Duration
	// Verified is the number of batches that were verified, Different of chunks in them that
	// were compressed wrongly, and again.
	Verified, Different int64
}

// State returns the current state.
func (p *Pool) State() PoolState {
	return PoolState{
		Compressors: cap(p.free),
		InUse:       cap(p.free) - len(p.free),
		Waiting:     int(p.waiting.Load()),
		Waits:       p.waits.Load(),
		Waited:      time.Duration(p.waited.Load()),
		Verified:    p.verification.verified.Load(),
		Different:   p.verification.different.Load(),
	}
}
