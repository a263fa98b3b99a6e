package gosym

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"
)

// namesFile is an ELF file with only section headers: an empty one, and one for the names,
// which are at the end of the file. The header of the names has flags. If far is set, the
// number of that section is in the first section header.
func namesFile(t *testing.T, class elf.Class, data elf.Data, flags elf.SectionFlag, far bool) []byte {
	t.Helper()
	var order binary.ByteOrder = binary.LittleEndian
	if data == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	index, link := uint16(1), uint32(0)
	if far {
		index, link = uint16(elf.SHN_XINDEX), 1
	}
	ident := [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(class), byte(data), byte(elf.EV_CURRENT)}
	var parts []any
	if class == elf.ELFCLASS64 {
		parts = []any{
			elf.Header64{Ident: ident, Shoff: 64, Shentsize: 64, Shnum: 2, Shstrndx: index},
			elf.Section64{Link: link},
			elf.Section64{Type: uint32(elf.SHT_STRTAB), Flags: uint64(flags)},
		}
	} else {
		parts = []any{
			elf.Header32{Ident: ident, Shoff: 52, Shentsize: 40, Shnum: 2, Shstrndx: index},
			elf.Section32{Link: link},
			elf.Section32{Type: uint32(elf.SHT_STRTAB), Flags: uint32(flags)},
		}
	}
	var file []byte
	for _, part := range parts {
		var err error
		if file, err = binary.Append(file, order, part); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

// Compressed section names are found in any file before debug/elf decompresses them.
func TestCompressedSectionNames(t *testing.T) {
	t.Parallel()
	for _, class := range []elf.Class{elf.ELFCLASS32, elf.ELFCLASS64} {
		for _, data := range []elf.Data{elf.ELFDATA2LSB, elf.ELFDATA2MSB} {
			for _, far := range []bool{false, true} {
				for _, flags := range []elf.SectionFlag{0, elf.SHF_STRINGS, elf.SHF_COMPRESSED} {
					err := checkSectionNames(bytes.NewReader(namesFile(t, class, data, flags, far)))
					if want := flags == elf.SHF_COMPRESSED; (err != nil) != want {
						t.Errorf("%v, %v, %v, number far away %v: got %v, want an error: %v", class, data, flags, far, err, want)
					}
				}
			}
		}
	}
}
