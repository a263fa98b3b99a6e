package gosym_test

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/client/gosym"
)

// rawSection is a section of a file.
type rawSection struct {
	name       string
	compressed bool // as ELF marks it
	content    []byte
}

// elfFile is an ELF file of sections. The last one has their names.
func elfFile(sections ...rawSection) []byte {
	sections = append([]rawSection{{}}, sections...)
	names := rawSection{name: ".shstrtab", content: []byte{0}}
	if last := &sections[len(sections)-1]; last.name == ".shstrtab" {
		names = *last
		sections = sections[:len(sections)-1]
	}
	offsets := make([]uint32, 0, len(sections)+1)
	for _, s := range append(sections, names) {
		offsets = append(offsets, uint32(len(names.content)))
		if !names.compressed {
			names.content = append(append(names.content, s.name...), 0)
		}
	}
	sections = append(sections, names)

	var body, table bytes.Buffer
	for i, s := range sections {
		header := elf.Section64{
			Name: offsets[i], Type: uint32(elf.SHT_PROGBITS), Off: uint64(64 + body.Len()), Size: uint64(len(s.content)),
		}
		if i == 0 {
			header = elf.Section64{}
		}
		if s.name == ".shstrtab" {
			header.Type = uint32(elf.SHT_STRTAB)
		}
		if s.compressed {
			header.Flags = uint64(elf.SHF_COMPRESSED)
		}
		_ = binary.Write(&table, binary.LittleEndian, header)
		body.Write(s.content)
	}
	header := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Shoff: uint64(64 + body.Len()),
		Ehsize: 64, Phentsize: 56, Shentsize: 64, Shnum: uint16(len(sections)), Shstrndx: uint16(len(sections) - 1),
	}
	copy(header.Ident[:], "\x7fELF\x02\x01\x01")
	var file bytes.Buffer
	_ = binary.Write(&file, binary.LittleEndian, header)
	file.Write(body.Bytes())
	file.Write(table.Bytes())
	return file.Bytes()
}

// deflated is a zlib stream of zeros after a header with any size. It compresses some of
// the zeros and repeats the result: with the race detector, compressing all of them takes
// seconds.
func deflated(header []byte, zeros int) []byte {
	const chunk = 64 << 10
	var block bytes.Buffer
	z, _ := flate.NewWriter(&block, flate.DefaultCompression)
	compressed := func(n int, end func() error) []byte {
		block.Reset()
		_, _ = z.Write(make([]byte, n))
		_ = end()
		return bytes.Clone(block.Bytes())
	}
	out := append(header, 0x78, 0x9c) // a zlib header
	if whole := zeros / chunk; whole > 0 {
		out = append(out, compressed(chunk, z.Flush)...)
		out = append(out, bytes.Repeat(compressed(chunk, z.Flush), whole-1)...) // refers to zeros before
	}
	out = append(out, compressed(zeros%chunk, z.Close)...)
	const adlerModulus = 65521
	return binary.BigEndian.AppendUint32(out, uint32(zeros%adlerModulus)<<16|1)
}

// Compressed sections are read.
func TestDeflatedSections(t *testing.T) {
	t.Parallel()
	for _, zeros := range []int{0, 10, 64 << 10, 100_000, 1 << 20} {
		z, err := zlib.NewReader(bytes.NewReader(deflated(nil, zeros)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, make([]byte, zeros)) {
			t.Errorf("%d zeros became %d bytes, %v", zeros, len(got), err)
		}
	}
}

// elfDeflated is the content of a section that ELF marks as compressed.
func elfDeflated(size uint64, zeros int) []byte {
	header, _ := binary.Append(nil, binary.LittleEndian, elf.Chdr64{
		Type: uint32(elf.COMPRESS_ZLIB), Size: size, Addralign: 1,
	})
	return deflated(header, zeros)
}

// oldDeflated is the content of a section that is compressed the older way.
func oldDeflated(size uint64, zeros int) []byte {
	return deflated(binary.BigEndian.AppendUint64([]byte("ZLIB"), size), zeros)
}

// machOFile is a Mach-O file of one section.
func machOFile(name string, content []byte) []byte {
	le := binary.LittleEndian
	text := func(b []byte, s string) []byte { return append(b, (s + strings.Repeat("\x00", 16-len(s)))...) }
	const headerBytes, segmentBytes, sectionBytes = 32, 72, 80
	var b []byte
	for _, v := range []uint32{0xfeedfacf, 0x01000007, 3, 2, 1, segmentBytes + sectionBytes, 0, 0, 0x19, segmentBytes + sectionBytes} {
		b = le.AppendUint32(b, v)
	}
	at := uint64(headerBytes + segmentBytes + sectionBytes)
	b = text(b, "__DWARF")
	for _, v := range []uint64{0, uint64(len(content)), at, uint64(len(content)), 0, 1} { // protections, then one section
		b = le.AppendUint64(b, v)
	}
	b = text(text(b, name), "__DWARF")
	b = le.AppendUint64(le.AppendUint64(b, 0), uint64(len(content)))
	b = append(le.AppendUint32(b, uint32(at)), make([]byte, 28)...)
	return append(b, content...)
}

// peFile is a PE file with one section. The section's name is in the table of strings.
func peFile(name string, content []byte) []byte {
	le := binary.LittleEndian
	b := append([]byte("MZ"), make([]byte, 94)...)
	le.PutUint32(b[0x3c:], uint32(len(b)))
	const headerBytes, sectionBytes = 24, 40
	at := uint32(len(b) + headerBytes + sectionBytes)
	b = append(b, "PE\x00\x00"...)
	b = le.AppendUint16(le.AppendUint16(b, 0x8664), 1)
	b = le.AppendUint32(le.AppendUint32(b, 0), at+uint32(len(content))) // where symbols, of which there are none, and strings are
	b = append(b, make([]byte, 8)...)
	b = append(b, "/4\x00\x00\x00\x00\x00\x00"...)
	for _, v := range []uint32{uint32(len(content)), 0, uint32(len(content)), at} {
		b = le.AppendUint32(b, v)
	}
	b = append(append(b, make([]byte, 16)...), content...)
	return append(append(le.AppendUint32(b, uint32(4+len(name)+1)), name...), 0)
}

// A few bytes can't claim memory, whatever sizes they announce or have.
func TestOpenRefusesOversizedSections(t *testing.T) {
	t.Parallel()
	const large, half = 64 << 20, 600 << 10 // half of what a small file may have
	halves := []rawSection{
		{".debug_info", true, elfDeflated(half, half)},
		{".debug_abbrev", true, elfDeflated(half, half)},
	}
	for name, file := range map[string][]byte{
		"one section":                 elfFile(rawSection{".debug_info", true, elfDeflated(large, large)}),
		"size alone":                  elfFile(rawSection{".debug_info", true, elfDeflated(1<<62, 10)}),
		"size beyond 63 bits":         elfFile(rawSection{".zdebug_info", false, oldDeflated(1<<63+1, 10)}),
		"the older way":               elfFile(rawSection{".zdebug_info", false, oldDeflated(large, large)}),
		"two sections":                elfFile(halves...),
		"the section read last":       elfFile(halves[0], rawSection{".debug_rnglists", true, elfDeflated(half, half)}),
		"Mach-O":                      machOFile("__zdebug_info", oldDeflated(large, large)),
		"Mach-O with the shorter way": machOFile("__debug_info", oldDeflated(large, large)),
		"PE":                          peFile(".zdebug_info", oldDeflated(large, large)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := openBytes(t, file); !errors.Is(err, gosym.ErrTooLarge) {
				t.Errorf("a file of %d bytes: %v, want %v", len(file), err, gosym.ErrTooLarge)
			}
		})
	}
}

// A section that is shorter than announced, or unreadable, is an error too.
func TestOpenRefusesDamagedSections(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file []byte
		want string
	}{
		"short stream": {elfFile(rawSection{".debug_info", true, elfDeflated(1000, 10)}), "unexpected EOF"},
		"no stream":    {elfFile(rawSection{".zdebug_info", false, []byte("ZLIB\x00\x00\x00\x00\x00\x00\x00\x09none")}), "zlib"},
		"compressed names": {
			elfFile(rawSection{".debug_info", false, []byte("x")}, rawSection{".shstrtab", true, elfDeflated(64<<20, 64<<20)}),
			"section names are compressed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := openBytes(t, test.file); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// The debug information of an object file has holes, which the linker fills.
func TestOpenRefusesObjectFile(t *testing.T) {
	t.Parallel()
	file := elfFile(rawSection{".debug_info", false, []byte("x")})
	binary.LittleEndian.PutUint16(file[16:], uint16(elf.ET_REL))
	if err := openBytes(t, file); !errors.Is(err, gosym.ErrFormat) || !strings.Contains(err.Error(), "not linked") {
		t.Error(err)
	}
}

func openBytes(t *testing.T, content []byte) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	b, err := gosym.Open(t.Context(), path, gosym.WithTempDir(dir))
	if err == nil {
		_ = b.Close()
	}
	if left, globErr := filepath.Glob(filepath.Join(dir, "*")); globErr != nil || len(left) > 0 {
		t.Errorf("%v, %v in the directory of temporary files, want nothing", left, globErr)
	}
	return err
}
