package gosym

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

// spool holds debug sections. The long ones are in a temporary file without a name, which
// is mapped read-only, so that they take no memory that the system can't take back. They
// are in memory where no file can be written or mapped.
type spool struct {
	// dir is the directory of the file; empty is the system's.
	dir string
	// memory limits what is held otherwise.
	memory *allowance
	file   *os.File
	// end is where the next section begins in the file.
	end int64
	// unusable means that no file can be written or mapped.
	unusable bool

	mu sync.Mutex
	// users counts the users of the sections.
	users    int
	mappings [][]byte
}

// minSpooledBytes is the length of the shortest section in the file.
const minSpooledBytes = 64 << 10

// newSpool returns a spool with one user.
func newSpool(dir string, memory *allowance) *spool {
	return &spool{dir: dir, memory: memory, unusable: !canMap, users: 1}
}

// add returns the first size bytes of the reader that open returns, which is called again
// if the file turns out to be unusable.
func (s *spool) add(size uint64, open func() (io.Reader, error), check *checkpoint) ([]byte, error) {
	in, err := open()
	if err != nil {
		return nil, err
	}
	content, err := s.spill(in, size, check)
	if content != nil || err != nil {
		return content, err
	}
	if in, err = open(); err != nil {
		return nil, err
	}
	if err := s.memory.take(size); err != nil {
		return nil, err
	}
	content = make([]byte, size)
	for rest := content; len(rest) > 0; {
		chunk := rest[:min(len(rest), readChunkBytes)]
		if err := readChunk(in, chunk, check); err != nil {
			return nil, err
		}
		rest = rest[len(chunk):]
	}
	return content, nil
}

// spill returns the first size bytes of in, in the file. It returns nil, after reading
// some, if they are too few for the file or if that is unusable.
func (s *spool) spill(in io.Reader, size uint64, check *checkpoint) ([]byte, error) {
	if size < minSpooledBytes || s.unusable {
		return nil, nil
	}
	content, err := s.write(in, size, check)
	if s.unusable {
		return nil, nil
	}
	return content, err
}

// freeze returns a list without pointers, which can't be changed any more. It is in the
// file if that can be used.
func freeze[T any](s *spool, check *checkpoint, parts ...[]T) ([]T, error) {
	size := 0
	readers := make([]io.Reader, len(parts))
	for i, part := range parts {
		readers[i] = bytes.NewReader(bytesOf(part))
		size += len(bytesOf(part))
	}
	content, err := s.spill(io.MultiReader(readers...), uint64(size), check)
	if err != nil {
		return nil, err
	}
	if content == nil {
		return slices.Concat(parts...), nil
	}
	return listOf[T](content), nil
}

// write appends size bytes of in to the file and maps them. If that fails, as opposed to
// reading them, the spool becomes unusable.
func (s *spool) write(in io.Reader, size uint64, check *checkpoint) ([]byte, error) {
	if s.file == nil {
		file, err := createUnnamed(s.dir)
		if err != nil {
			s.unusable = true
			return nil, err
		}
		s.file = file
	}
	out := io.NewOffsetWriter(s.file, s.end)
	buffer := make([]byte, min(size, readChunkBytes))
	for left := size; left > 0; {
		chunk := buffer[:min(left, uint64(len(buffer)))]
		if err := readChunk(in, chunk, check); err != nil {
			return nil, err
		}
		if _, err := out.Write(chunk); err != nil {
			s.unusable = true
			return nil, fmt.Errorf("write temporary file: %w", err)
		}
		left -= uint64(len(chunk))
	}
	content, err := mapFile(s.file, s.end, int(size))
	if err != nil {
		s.unusable = true
		return nil, fmt.Errorf("map temporary file: %w", err)
	}
	s.mappings = append(s.mappings, content)
	page := int64(os.Getpagesize())
	s.end = (s.end + int64(size) + page - 1) / page * page
	return content, nil
}

// readChunk fills chunk from in.
func readChunk(in io.Reader, chunk []byte, check *checkpoint) error {
	if _, err := io.ReadFull(in, chunk); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return check.pass(workPerCheck)
}

// seal closes the file. Its mappings remain valid.
func (s *spool) seal() {
	if s.file != nil {
		_ = s.file.Close() // its content is in the mappings
		s.file = nil
	}
	s.unusable = true
}

// retain adds a user. It returns false if there are no users any more.
func (s *spool) retain() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 {
		return false
	}
	s.users++
	return true
}

// release removes a user. The last one to leave frees the sections.
func (s *spool) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users > 0 {
		return
	}
	for _, mapping := range s.mappings {
		_ = unmap(mapping) // fails only for what is not mapped
	}
	s.mappings = nil
}

// allowance limits the memory that a Binary holds.
type allowance struct{ left, most uint64 }

func newAllowance(most int64) *allowance {
	if most <= 0 {
		return &allowance{left: ^uint64(0), most: ^uint64(0)}
	}
	return &allowance{left: uint64(most), most: uint64(most)}
}

// permits fails if fewer bytes are left.
func (a *allowance) permits(bytes uint64) error {
	if bytes > a.left {
		return fmt.Errorf("%w of %d bytes: it needs %d more, with %d left", ErrMaxMemory, a.most, bytes, a.left)
	}
	return nil
}

// take draws bytes, or fails if too few are left.
func (a *allowance) take(bytes uint64) error {
	if err := a.permits(bytes); err != nil {
		return err
	}
	a.left -= bytes
	return nil
}
