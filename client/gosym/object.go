package gosym

import (
	"bytes"
	"compress/zlib"
	"debug/buildinfo"
	"debug/dwarf"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxSectionBytes bounds a debug section after decompression, so that a few
// bytes of a hostile file can't claim all memory.
const maxSectionBytes = 4 << 30

// object is what is read of an executable file.
type object struct {
	dwarf     *dwarf.Data
	locations locations
	buildInfo *buildinfo.BuildInfo
}

// container is what the executable formats have in common.
type container interface {
	DWARF() (*dwarf.Data, error)
}

// readObject reads the whole of what is needed from the file, whatever its
// format, so that the file need not stay open.
func readObject(file *os.File) (*object, error) {
	bi, biErr := buildinfo.Read(file)
	format, exe, section, err := openContainer(file)
	if err != nil {
		return nil, err
	}
	info, err := section("info")
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", format, err)
	}
	if len(info) == 0 {
		if biErr != nil {
			return nil, ErrNotGo
		}
		return nil, ErrNoDWARF
	}
	obj := &object{buildInfo: bi}
	if obj.dwarf, err = exe.DWARF(); err != nil {
		return nil, fmt.Errorf("read DWARF: %w", err)
	}
	for _, s := range []struct {
		name string
		dst  *[]byte
	}{
		{"loclists", &obj.locations.loclists},
		{"loc", &obj.locations.loc},
		{"addr", &obj.locations.addr},
	} {
		if *s.dst, err = section(s.name); err != nil {
			return nil, fmt.Errorf("read DWARF: %w", err)
		}
	}
	obj.locations.order = obj.dwarf.Reader().ByteOrder()
	return obj, nil
}

// openContainer opens file in the format that its first bytes tell. The function
// it returns reads a debug section, which is empty where there is none.
func openContainer(file io.ReaderAt) (format string, exe container, section func(string) ([]byte, error), err error) {
	var magic [4]byte
	if _, err := file.ReadAt(magic[:], 0); err != nil {
		if errors.Is(err, io.EOF) {
			return "", nil, nil, ErrFormat
		}
		return "", nil, nil, fmt.Errorf("read file: %w", err)
	}
	switch {
	case string(magic[:]) == elf.ELFMAG:
		f, err := elf.NewFile(file)
		if err != nil {
			return "", nil, nil, fmt.Errorf("read ELF: %w", err)
		}
		return "ELF", f, sectionReader(f.Sections, ".", func(s *elf.Section) string { return s.Name }), nil
	case isMachO(magic):
		f, err := macho.NewFile(file)
		if err != nil {
			return "", nil, nil, fmt.Errorf("read Mach-O: %w", err)
		}
		return "Mach-O", f, sectionReader(f.Sections, "__", func(s *macho.Section) string { return s.Name }), nil
	case string(magic[:2]) == "MZ":
		f, err := pe.NewFile(file)
		if err != nil {
			return "", nil, nil, fmt.Errorf("read PE: %w", err)
		}
		return "PE", f, sectionReader(f.Sections, ".", func(s *pe.Section) string { return s.Name }), nil
	}
	return "", nil, nil, ErrFormat
}

func isMachO(magic [4]byte) bool {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if m := order.Uint32(magic[:]); m == macho.Magic32 || m == macho.Magic64 {
			return true
		}
	}
	return false
}

// sectionReader reads debug sections by their DWARF name: `info` is .debug_info,
// or .zdebug_info where it is compressed the older way.
func sectionReader[S interface{ Data() ([]byte, error) }](
	sections []S, prefix string, nameOf func(S) string,
) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		for _, s := range sections {
			sectionName, ok := strings.CutPrefix(nameOf(s), prefix)
			if !ok || sectionName != "debug_"+name && sectionName != "zdebug_"+name {
				continue
			}
			raw, err := s.Data()
			if err != nil {
				return nil, fmt.Errorf("section %s: %w", nameOf(s), err)
			}
			if raw, err = inflate(raw); err != nil {
				return nil, fmt.Errorf("section %s: %w", nameOf(s), err)
			}
			return raw, nil
		}
		return nil, nil
	}
}

// inflate undoes the compression of .zdebug sections: `ZLIB`, the size in eight
// bytes, big-endian, then a zlib stream. Anything else is returned as it is.
func inflate(raw []byte) ([]byte, error) {
	const headerBytes = 12
	if len(raw) < headerBytes || string(raw[:4]) != "ZLIB" {
		return raw, nil
	}
	size := binary.BigEndian.Uint64(raw[4:headerBytes])
	if size > maxSectionBytes {
		return nil, fmt.Errorf("uncompressed size of %d bytes is too large", size)
	}
	z, err := zlib.NewReader(bytes.NewReader(raw[headerBytes:]))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	var out bytes.Buffer
	if _, err := io.CopyN(&out, z, int64(size)); err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return out.Bytes(), nil
}
