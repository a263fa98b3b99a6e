package gosym_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/scopegate/scopegate/client/gosym"
)

// splitID is the build ID of the split program.
const splitID = "5ca1ab1e0ddba115"

// split is the content of a program for Linux without DWARF, and of its debug file.
type split struct{ stripped, debug []byte }

var builtSplit = sync.OnceValues(func() (split, error) {
	var s split
	for _, part := range []struct {
		name, flags string
		content     *[]byte
	}{{"stripped", "-s -w", &s.stripped}, {"debug", "", &s.debug}} {
		path, err := buildProgram(filepath.Join(buildFolder, part.name), "GOOS=linux", "-ldflags=-B 0x"+splitID+" "+part.flags)
		if err != nil {
			return s, err
		}
		if *part.content, err = os.ReadFile(path); err != nil {
			return s, err
		}
	}
	return s, nil
})

func splitProgram(t *testing.T) split {
	t.Helper()
	s, err := builtSplit()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// place writes a file, and makes its directories.
func place(t *testing.T, content []byte, path ...string) string {
	t.Helper()
	whole := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(whole), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(whole, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return whole
}

// withDebugLink adds a section .gnu_debuglink to an ELF file.
func withDebugLink(t *testing.T, file, content []byte) []byte {
	t.Helper()
	order := binary.LittleEndian
	var header elf.Header64
	if _, err := binary.Decode(file, order, &header); err != nil {
		t.Fatal(err)
	}
	sections := make([]elf.Section64, header.Shnum+1)
	if _, err := binary.Decode(file[header.Shoff:], order, sections[:header.Shnum]); err != nil {
		t.Fatal(err)
	}
	out := bytes.Clone(file)
	names := &sections[header.Shstrndx]
	text := slices.Concat(file[names.Off:names.Off+names.Size], []byte(".gnu_debuglink\x00"))
	sections[header.Shnum] = elf.Section64{
		Name: uint32(names.Size), Type: uint32(elf.SHT_PROGBITS), Off: uint64(len(out)), Size: uint64(len(content)), Addralign: 4,
	}
	out = append(out, content...)
	names.Off, names.Size = uint64(len(out)), uint64(len(text))
	out = append(out, text...)
	header.Shoff, header.Shnum = uint64(len(out)), header.Shnum+1
	out, err := binary.Append(out, order, sections)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := binary.Encode(out, order, header); err != nil {
		t.Fatal(err)
	}
	return out
}

// linkTo returns the content of .gnu_debuglink.
func linkTo(name string, debug []byte) []byte {
	link := append([]byte(name), make([]byte, 4-len(name)%4)...)
	return binary.LittleEndian.AppendUint32(link, crc32.ChecksumIEEE(debug))
}

func TestDebugFileIsFound(t *testing.T) {
	t.Parallel()
	s := splitProgram(t)
	for name, lay := range map[string]func(folder string) (debug string){
		"by build ID": func(string) string { return filepath.Join("debug", ".build-id", splitID[:2], splitID[2:]+".debug") },
		"beside":      func(string) string { return filepath.Join("bin", "shop.debug") },
		"in .debug":   func(string) string { return filepath.Join("bin", ".debug", "shop.debug") },
		"of directory": func(folder string) string {
			return filepath.Join("debug", folder, "bin", "shop.debug")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			exe := place(t, withDebugLink(t, s.stripped, linkTo("shop.debug", s.debug)), folder, "bin", "shop")
			debug := place(t, s.debug, folder, lay(folder))
			link := filepath.Join(folder, "link") // the executable's own folder counts
			if err := os.Symlink(exe, link); err != nil {
				t.Fatal(err)
			}
			b := open(t, link, gosym.WithDebugDirectories(filepath.Join(folder, "none"), filepath.Join(folder, "debug")), gosym.WithMainModule())
			if got := b.DebugFile(); got != debug {
				t.Errorf("DebugFile() = %q, want %q", got, debug)
			}
			if got := b.ModulePath(); got != programModule {
				t.Errorf("ModulePath() = %q, want %q: it is in the executable", got, programModule)
			}
			for name, scope := range packages(t, b) {
				if !proto.Equal(scope, mainModule(t)[name]) {
					t.Errorf("package %s differs", name)
				}
			}
		})
	}
}

// Own debug information needs no file.
func TestOwnDebugInformationIsTaken(t *testing.T) {
	t.Parallel()
	if got := open(t, program(t)).DebugFile(); got != "" {
		t.Errorf("DebugFile() = %q, want none", got)
	}
}

func TestDebugFileIsRefused(t *testing.T) {
	t.Parallel()
	s := splitProgram(t)
	other := bytes.Replace(s.debug, []byte("GNU\x00\x5c\xa1"), []byte("GNU\x00\x5c\xa2"), 1)
	const large = 64 << 20
	bomb := elfFile(rawSection{".debug_info", true, elfDeflated(large, large)})
	byID := filepath.Join("debug", ".build-id", splitID[:2], splitID[2:]+".debug")
	for name, tt := range map[string]struct {
		link    []byte // .gnu_debuglink
		content []byte // of the file, or nil for a directory
		path    string
		want    string
		limit   error
	}{
		"missing":          {linkTo("shop.debug", s.debug), s.debug, "elsewhere", "no debug file at", nil},
		"other build ID":   {nil, other, byID, `its build ID is "5ca2`, nil},
		"no build ID":      {nil, elfFile(), byID, `its build ID is ""`, nil},
		"other checksum":   {linkTo("shop.debug", other), s.debug, "bin/shop.debug", "its CRC-32 is", nil},
		"no DWARF":         {linkTo("shop.debug", s.stripped), s.stripped, "bin/shop.debug", "no debug information either", nil},
		"not ELF":          {linkTo("shop.debug", []byte("text")), []byte("text"), "bin/shop.debug", gosym.ErrFormat.Error(), nil},
		"bomb":             {linkTo("shop.debug", bomb), bomb, "bin/shop.debug", gosym.ErrTooLarge.Error(), gosym.ErrTooLarge},
		"directory":        {linkTo("shop.debug", s.debug), nil, "bin/shop.debug", "not a regular file", nil},
		"up":               {linkTo("../shop.debug", s.debug), s.debug, "shop.debug", "not a file name", nil},
		"up from .debug":   {linkTo("../../shop.debug", s.debug), s.debug, "shop.debug", "not a file name", nil},
		"down":             {linkTo("sub/shop.debug", s.debug), s.debug, "bin/sub/shop.debug", "not a file name", nil},
		"absolute":         {linkTo("/etc/hostname", s.debug), s.debug, "bin/etc/hostname", "not a file name", nil},
		"the folder":       {linkTo(".", s.debug), s.debug, "elsewhere", "not a file name", nil},
		"the folder above": {linkTo("..", s.debug), s.debug, "elsewhere", "not a file name", nil},
		"no name":          {linkTo("", s.debug), s.debug, "elsewhere", "", nil},
		"no checksum":      {[]byte("shop.debug\x00\x00"), s.debug, "bin/shop.debug", "", nil},
		"no end":           {[]byte("shop.debug"), s.debug, "bin/shop.debug", "", nil},
		"long link":        {append(linkTo("shop.debug", s.debug), make([]byte, 5000)...), s.debug, "bin/shop.debug", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			content := s.stripped
			if tt.link != nil {
				content = withDebugLink(t, content, tt.link)
			}
			exe := place(t, content, folder, "bin", "shop")
			if tt.content == nil {
				if err := os.Mkdir(filepath.Join(folder, tt.path), 0o700); err != nil {
					t.Fatal(err)
				}
			} else {
				place(t, tt.content, folder, tt.path)
			}
			_, err := gosym.Open(t.Context(), exe, gosym.WithDebugDirectories(filepath.Join(folder, "debug")))
			if !errors.Is(err, gosym.ErrNoDWARF) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %v with %q", err, gosym.ErrNoDWARF, tt.want)
			}
			if tt.limit != nil && !errors.Is(err, tt.limit) {
				t.Errorf("got %v, want %v", err, tt.limit)
			}
		})
	}
}

// A debug file within a limit for the executable can exceed the caller's.
func TestDebugFileExceedsMaxMemory(t *testing.T) {
	t.Parallel()
	s := splitProgram(t)
	folder := t.TempDir()
	exe := place(t, withDebugLink(t, s.stripped, linkTo("shop.debug", s.debug)), folder, "shop")
	place(t, s.debug, folder, "shop.debug")
	missing := filepath.Join(folder, "missing")
	_, err := gosym.Open(t.Context(), exe, gosym.WithMaxMemory(1<<10), gosym.WithTempDir(missing), gosym.WithDebugDirectories())
	if !errors.Is(err, gosym.ErrMaxMemory) {
		t.Errorf("got %v, want %v", err, gosym.ErrMaxMemory)
	}
}
