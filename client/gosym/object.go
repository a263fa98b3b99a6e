package gosym

import (
	"debug/buildinfo"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// object is the information read from an executable file.
type object struct {
	dwarf     *debugInfo
	locations locations
	buildInfo *buildinfo.BuildInfo
	// debugPath is the path of the separate debug file that was read, or "".
	debugPath string
	// spool holds the sections.
	spool *spool
}

// source is an executable file.
type source struct {
	io.ReaderAt

	size int64
	// path is empty if it is unknown.
	path string
}

// readObject reads everything that is needed from the file, which can then be closed. The
// caller must seal and release the object's spool.
func readObject(file *source, o *options, check *checkpoint) (*object, error) {
	sections := newSpool(o.tempDir, o.memory)
	obj, err := readSections(file, o, sections, check)
	if err != nil {
		sections.seal()
		sections.release()
		return nil, err
	}
	return obj, nil
}

func readSections(file *source, o *options, spool *spool, check *checkpoint) (*object, error) {
	bi, biErr := buildinfo.Read(file)
	c, err := openContainer(file)
	if err != nil {
		return nil, err
	}
	read := newSectionReader(c.sections, file.size, spool, check)
	info, err := read.section("info")
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c.format, err)
	}
	obj := &object{buildInfo: bi, spool: spool}
	if len(info) == 0 {
		if biErr != nil {
			return nil, ErrNotGo
		}
		debug, err := openDebugFile(c, file, o.debugDirs, spool, check)
		if err != nil {
			return nil, err
		}
		defer debug.Close()
		obj.debugPath, read, info = debug.Name(), debug.sections, debug.info
	}
	if obj.dwarf, err = newDebugInfo(info, read.section, check); err != nil {
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
		if *s.dst, err = read.section(s.name); err != nil {
			return nil, fmt.Errorf("read DWARF: %w", err)
		}
	}
	obj.locations.order = obj.dwarf.order
	return obj, nil
}

// container is an open file of sections.
type container struct {
	format   string
	order    binary.ByteOrder
	sections []section
}

// openContainer opens a file in the format that its first bytes identify.
func openContainer(file io.ReaderAt) (*container, error) {
	var magic [4]byte
	if _, err := file.ReadAt(magic[:], 0); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, ErrFormat
		}
		return nil, fmt.Errorf("read file: %w", err)
	}
	c := &container{}
	switch {
	case string(magic[:]) == elf.ELFMAG:
		if err := checkSectionNames(file); err != nil {
			return nil, fmt.Errorf("read ELF: %w", err)
		}
		f, err := elf.NewFile(file)
		if err != nil {
			return nil, fmt.Errorf("read ELF: %w", err)
		}
		if f.Type == elf.ET_REL {
			return nil, fmt.Errorf("%w: an object file that is not linked", ErrFormat)
		}
		c.format, c.order = "ELF", f.ByteOrder
		for _, s := range f.Sections {
			c.sections = append(c.sections, section{strings.TrimPrefix(s.Name, "."), elfSection(s)})
		}
	case isMachO(magic):
		f, err := macho.NewFile(file)
		if err != nil {
			return nil, fmt.Errorf("read Mach-O: %w", err)
		}
		c.format, c.order = "Mach-O", f.ByteOrder
		for _, s := range f.Sections {
			c.sections = append(c.sections, section{strings.TrimPrefix(s.Name, "__"), plainSection(s, s.Size)})
		}
	case string(magic[:2]) == "MZ":
		f, err := pe.NewFile(file)
		if err != nil {
			return nil, fmt.Errorf("read PE: %w", err)
		}
		c.format, c.order = "PE", binary.LittleEndian
		for _, s := range f.Sections {
			size := s.Size // in the file, rounded up
			if s.VirtualSize > 0 {
				size = min(size, s.VirtualSize)
			}
			c.sections = append(c.sections, section{strings.TrimPrefix(s.Name, "."), plainSection(s, uint64(size))})
		}
	default:
		return nil, ErrFormat
	}
	return c, nil
}

func isMachO(magic [4]byte) bool {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if m := order.Uint32(magic[:]); m == macho.Magic32 || m == macho.Magic64 {
			return true
		}
	}
	return false
}

// checkSectionNames fails if an ELF file's section names are compressed, because
// debug/elf decompresses them, of any size, when it opens a file. No linker writes such
// files.
func checkSectionNames(file io.ReaderAt) error {
	var header [64]byte
	if n, _ := file.ReadAt(header[:], 0); n < len(header) || string(header[:4]) != elf.ELFMAG {
		return nil // openContainer reports the error
	}
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(header[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	wide := elf.Class(header[elf.EI_CLASS]) == elf.ELFCLASS64
	table, counts := uint64(order.Uint32(header[32:])), header[46:]
	if wide {
		table, counts = order.Uint64(header[40:]), header[58:]
	}
	entryBytes, index := uint64(order.Uint16(counts)), uint64(order.Uint16(counts[4:]))
	entry := func(i uint64) (flags uint64, link uint32) {
		var raw [64]byte
		_, _ = file.ReadAt(raw[:], int64(table+i*entryBytes)) // an entry at the end of the file is shorter
		if wide {
			return order.Uint64(raw[8:]), order.Uint32(raw[40:])
		}
		return uint64(order.Uint32(raw[8:])), order.Uint32(raw[24:])
	}
	if elf.SectionIndex(index) == elf.SHN_XINDEX {
		_, link := entry(0)
		index = uint64(link)
	}
	if flags, _ := entry(index); elf.SectionFlag(flags)&elf.SHF_COMPRESSED != 0 {
		return errors.New("the section names are compressed")
	}
	return nil
}
