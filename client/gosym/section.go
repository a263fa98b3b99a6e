package gosym

import (
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
)

// The decompressed debug sections of a file may together be maxExpansion times as long
// as the file, at most maxDebugBytes, and at least smallestDebugLimit. In Go programs
// they are about half as long as the file.
const (
	maxDebugBytes      = 1 << 30
	maxExpansion       = 8
	smallestDebugLimit = 1 << 20
)

// section is a section of an executable file.
type section struct {
	// name is without the format's prefix: `debug_info`, or `zdebug_info` if it is
	// compressed in the older form.
	name string
	// open returns the decompressed section and its size.
	open func() (io.Reader, uint64, error)
}

// elfSection opens a section of an ELF file, which debug/elf decompresses.
func elfSection(s *elf.Section) func() (io.Reader, uint64, error) {
	return func() (io.Reader, uint64, error) {
		r := s.Open() // sets the size of a .zdebug section
		return r, s.Size, nil
	}
}

// plainSection opens a section of a file without a flag for compression. A compressed
// section begins with `ZLIB` and its size in eight bytes, big-endian; a zlib stream
// follows.
func plainSection(s interface{ Open() io.ReadSeeker }, size uint64) func() (io.Reader, uint64, error) {
	return func() (io.Reader, uint64, error) {
		var header [12]byte
		r := s.Open()
		if _, err := io.ReadFull(r, header[:]); err != nil || size < uint64(len(header)) || string(header[:4]) != "ZLIB" {
			_, err := r.Seek(0, io.SeekStart)
			return r, size, err
		}
		z, err := zlib.NewReader(io.LimitReader(r, int64(size)-int64(len(header))))
		return z, binary.BigEndian.Uint64(header[4:]), err
	}
}

// sectionReader reads debug sections, each once, up to a limit for all together.
type sectionReader struct {
	sections []section
	spool    *spool
	read     map[string][]byte
	left     uint64
	check    *checkpoint
}

func newSectionReader(sections []section, fileBytes int64, spool *spool, check *checkpoint) *sectionReader {
	limit := min(maxDebugBytes, max(smallestDebugLimit, maxExpansion*uint64(max(fileBytes, 0))))
	return &sectionReader{sections: sections, spool: spool, read: map[string][]byte{}, left: limit, check: check}
}

// section returns a debug section by its DWARF name, or nil.
func (r *sectionReader) section(name string) ([]byte, error) {
	if content, ok := r.read[name]; ok {
		return content, nil
	}
	for _, s := range r.sections {
		if !s.isDebug(name) {
			continue
		}
		content, err := r.load(s)
		if err != nil {
			return nil, fmt.Errorf("section %s: %w", s.name, err)
		}
		r.read[name] = content
		return content, nil
	}
	return nil, nil
}

func (r *sectionReader) load(s section) ([]byte, error) {
	_, size, err := s.open()
	if err != nil {
		return nil, err
	}
	if size > r.left {
		return nil, fmt.Errorf("%w: %d bytes after decompression, but only %d left of the limit", ErrTooLarge, size, r.left)
	}
	r.left -= size
	return r.spool.add(size, func() (io.Reader, error) {
		in, _, err := s.open()
		return in, err
	}, r.check)
}

// readChunkBytes is how much is read between two checkpoints.
const readChunkBytes = 32 << 10

// maxMachONameBytes is the length, without the prefix, to which Mach-O truncates names.
const maxMachONameBytes = 14

// isDebug reports whether s is the debug section with that DWARF name.
func (s section) isDebug(name string) bool {
	for _, full := range []string{"debug_" + name, "zdebug_" + name} {
		if s.name == full || s.name == full[:min(len(full), maxMachONameBytes)] {
			return true
		}
	}
	return false
}
