package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// BlockBytes is the length of a block.
const BlockBytes = 16 << 10

// ErrFull means that the limit is reached.
var ErrFull = errors.New("spool is full")

// Spool keeps blocks in a file. It is safe for concurrent use, and reads and writes of
// different blocks do not wait for each other. It holds one bit of memory per block of
// the longest file so far: about 8 KiB for 1 GiB.
type Spool struct {
	file      file
	name      string // empty if the file has none
	usedBytes atomic.Int64

	mu     sync.Mutex
	blocks blocks
}

// file is the part of an *os.File that a spool uses.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
}

// Open creates a spool of at most maxBytes in dir, which must exist and be writable. There
// must be room for at least one block.
func Open(dir string, maxBytes int64) (*Spool, error) {
	if dir == "" {
		return nil, errors.New("open spool: no directory")
	}
	if maxBytes < BlockBytes {
		return nil, fmt.Errorf("open spool in %s: %d bytes are less than a block of %d", dir, maxBytes, BlockBytes)
	}
	f, err := os.CreateTemp(dir, "scopegate-*.spool") // only for its owner
	if err != nil {
		return nil, fmt.Errorf("open spool in %s: %w", dir, err)
	}
	name := ""
	if os.Remove(f.Name()) != nil {
		name = f.Name() // Windows keeps the name of an open file
	}
	return newSpool(f, name, maxBytes), nil
}

func newSpool(f file, name string, maxBytes int64) *Spool {
	return &Spool{file: f, name: name, blocks: blocks{limit: maxBytes / BlockBytes}}
}

// Put writes a block of at most BlockBytes and returns its id. It fails with [ErrFull], or with
// the file's error. Then it keeps nothing, and can be tried again.
func (s *Spool) Put(block []byte) (id int64, err error) {
	if len(block) > BlockBytes {
		return 0, fmt.Errorf("put block: it has %d bytes, more than %d", len(block), BlockBytes)
	}
	s.mu.Lock()
	id, ok := s.blocks.allocate()
	s.mu.Unlock()
	if !ok {
		return 0, fmt.Errorf("put block: %w", ErrFull)
	}
	s.usedBytes.Add(BlockBytes)
	n, err := s.file.WriteAt(block, id*BlockBytes)
	if err == nil && n < len(block) {
		err = io.ErrShortWrite
	}
	if err != nil {
		s.Free(id)
		return 0, fmt.Errorf("put block: %w", err)
	}
	return id, nil
}

// ReadAt fills b with the block's bytes from offset. It fails if b reaches beyond the end
// of the block, or with the file's error, but never with io.EOF. The block must not be
// freed meanwhile.
func (s *Spool) ReadAt(b []byte, id int64, offset int) error {
	if id < 0 || offset < 0 || offset > BlockBytes-len(b) {
		return fmt.Errorf("read block %d: no %d bytes from %d on", id, len(b), offset)
	}
	n, err := s.file.ReadAt(b, id*BlockBytes+int64(offset))
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // someone has shortened the file
	}
	return fmt.Errorf("read block %d: %w", id, err)
}

// Free frees a block for reuse. The file shrinks only when no block is in use. Freeing a
// free block does nothing.
func (s *Spool) Free(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.blocks.free(id) {
		return
	}
	s.usedBytes.Add(-BlockBytes)
	if s.blocks.used == 0 {
		// Under the lock, so that no block is written meanwhile. If it fails, later blocks
		// reuse the space.
		_ = s.file.Truncate(0)
	}
}

// UsedBytes returns the bytes of all blocks in use, including those being written.
func (s *Spool) UsedBytes() int64 { return s.usedBytes.Load() }

// Close removes the file. Later calls fail with [os.ErrClosed], or do nothing.
func (s *Spool) Close() error {
	err := s.file.Close()
	if s.name != "" {
		err = errors.Join(err, os.Remove(s.name))
	}
	if err != nil {
		return fmt.Errorf("close spool: %w", err)
	}
	return nil
}
