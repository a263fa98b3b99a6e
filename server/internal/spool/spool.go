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

// ErrFull tells that as many blocks are in use as there may be.
var ErrFull = errors.New("spool is full")

// Spool keeps blocks in a file. It is safe for concurrent use, and reads and
// writes of different blocks do not wait for each other.
//
// In memory it holds one bit for each block that the file has ever had: about
// 8 KiB for 1 GiB, and never more than maxBytes allows.
type Spool struct {
	file file
	// left is the file's name where it still has one; else empty.
	left      string
	usedBytes atomic.Int64

	mu     sync.Mutex
	blocks blocks
}

// file is what a spool needs of an *os.File.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
}

// Open creates a spool in dir, which must exist and be writable. Its file grows
// as blocks are put, up to maxBytes, rounded down to whole blocks; it must have
// room for one at least. An error names dir.
func Open(dir string, maxBytes int64) (*Spool, error) {
	if dir == "" {
		return nil, errors.New("open spool: no directory")
	}
	if maxBytes < BlockBytes {
		return nil, fmt.Errorf("open spool in %s: %d bytes are less than a block of %d", dir, maxBytes, BlockBytes)
	}
	f, err := os.CreateTemp(dir, "scopegate-*.spool") // readable and writable by the owner
	if err != nil {
		return nil, fmt.Errorf("open spool in %s: %w", dir, err)
	}
	left := ""
	if os.Remove(f.Name()) != nil {
		left = f.Name() // Windows keeps the name of an open file
	}
	return newSpool(f, left, maxBytes), nil
}

func newSpool(f file, left string, maxBytes int64) *Spool {
	return &Spool{file: f, left: left, blocks: blocks{most: maxBytes / BlockBytes}}
}

// Put writes a block, which must be BlockBytes long, and returns what to read
// and free it by. It fails with [ErrFull] where the limit is reached, and with
// the file's error (syscall.ENOSPC, say) where writing fails; then nothing is
// kept of the block, and Put can be tried again.
func (s *Spool) Put(block []byte) (id int64, err error) {
	if len(block) != BlockBytes {
		return 0, fmt.Errorf("put block: it has %d bytes, not %d", len(block), BlockBytes)
	}
	s.mu.Lock()
	id, ok := s.blocks.take()
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

// ReadAt fills b with what the block id has from offset on. It fails where b
// reaches beyond the block's end, and with the file's error where reading fails,
// never with io.EOF. The block must not be freed meanwhile.
func (s *Spool) ReadAt(b []byte, id int64, offset int) error {
	if id < 0 || offset < 0 || offset > BlockBytes-len(b) {
		return fmt.Errorf("read block %d: no %d bytes from %d on", id, len(b), offset)
	}
	n, err := s.file.ReadAt(b, id*BlockBytes+int64(offset))
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // the file is shorter than what was written to it
	}
	return fmt.Errorf("read block %d: %w", id, err)
}

// Free gives a block's space to blocks to come. The disk gets its space back
// when no block is in use any more. Freeing a block that is not in use does
// nothing.
func (s *Spool) Free(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.blocks.give(id) {
		return
	}
	s.usedBytes.Add(-BlockBytes)
	if s.blocks.used == 0 {
		// Under the lock, so that no block can be taken and written meanwhile. If it
		// fails, the space is used again by the blocks to come.
		_ = s.file.Truncate(0)
	}
}

// UsedBytes returns how many bytes of blocks are in use, those included that are
// just being written. The file may be longer: it shrinks only when there are
// none.
func (s *Spool) UsedBytes() int64 { return s.usedBytes.Load() }

// Close removes the file and with it all blocks. What is called afterwards fails
// with [os.ErrClosed], or does nothing.
func (s *Spool) Close() error {
	err := s.file.Close()
	if s.left != "" {
		err = errors.Join(err, os.Remove(s.left))
	}
	if err != nil {
		return fmt.Errorf("close spool: %w", err)
	}
	return nil
}
