package gosym

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// FuzzDebugPlaces: whatever an executable says, its debug file is in one of a few
// directories.
func FuzzDebugPlaces(f *testing.F) {
	f.Add([]byte("shop.debug\x00\x00\x01\x02\x03\x04"), []byte("\x04\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00GNU\x00\xab\xcd"))
	f.Add([]byte("../x\x00\x00\x00\x00\x01\x02\x03\x04"), []byte("\x04\x00\x00\x00\xff\xff\xff\xff\x03\x00\x00\x00GNU\x00\xab\xcd"))
	f.Add([]byte("/etc/passwd\x00\x01\x02\x03\x04"), []byte{})
	f.Fuzz(func(t *testing.T, link, note []byte) {
		c := &container{order: binary.LittleEndian, sections: []section{
			heldSection("gnu_debuglink", link), heldSection("note.gnu.build-id", note),
		}}
		places, _ := c.debugPlaces("/no/such/shop", []string{"/debug"})
		for _, p := range places {
			folder, name := filepath.Split(p.path)
			if p.buildID != "" {
				folder = filepath.Dir(filepath.Clean(folder)) + "/"
			}
			if !slices.Contains([]string{"/no/such/", "/no/such/.debug/", "/debug/no/such/", "/debug/.build-id/"}, folder) || name == "" {
				t.Errorf("%q, %q: %q, want it in another folder", link, note, p.path)
			}
		}
	})
}

// A name is padded to a multiple of four bytes, with at least one zero.
func TestDebugLinkOfAnyLength(t *testing.T) {
	t.Parallel()
	for length := 1; length <= 8; length++ {
		name := strings.Repeat("n", length)
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			link := append([]byte(name), make([]byte, 4-length%4)...)
			link = append(link, 0, 0, 0, 0)
			order.PutUint32(link[len(link)-4:], 0x01020304)
			c := &container{order: order, sections: []section{heldSection("gnu_debuglink", link)}}
			if got, crc := c.debugLink(); got != name || crc != 0x01020304 {
				t.Errorf("%d bytes, %v: got %q, %#x, want %q, 0x01020304", length, order, got, crc, name)
			}
		}
	}
}

func TestBuildID(t *testing.T) {
	t.Parallel()
	const owner = "\x04\x00\x00\x00"
	long := strings.Repeat("i", maxBuildIDBytes)
	for note, want := range map[string]string{
		owner + "\x02\x00\x00\x00\x03\x00\x00\x00GNU\x00\xab\xcd":             "abcd",
		owner + "\x02\x00\x00\x00\x03\x00\x00\x00GNU\x00\xab\xcd\x00\x00":     "abcd", // padded
		owner + "\x40\x00\x00\x00\x03\x00\x00\x00GNU\x00" + long:              hex.EncodeToString([]byte(long)),
		owner + "\x41\x00\x00\x00\x03\x00\x00\x00GNU\x00" + long + "i":        "",
		owner + "\x01\x00\x00\x00\x03\x00\x00\x00GNU\x00\xab":                 "", // no file name
		owner + "\x03\x00\x00\x00\x03\x00\x00\x00GNU\x00\xab\xcd":             "", // cut off
		owner + "\x02\x00\x00\x00\x04\x00\x00\x00GNU\x00\xab\xcd":             "", // other type
		owner + "\x02\x00\x00\x00\x03\x00\x00\x00Go\x00\x00\xab\xcd":          "", // other owner
		"\x05\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00GNU\x00\xab\xcd\xef": "",
		owner: "",
		"":    "",
	} {
		c := &container{order: binary.LittleEndian, sections: []section{heldSection("note.gnu.build-id", []byte(note))}}
		if got := c.buildID(); got != want {
			t.Errorf("%q: got %q, want %q", note, got, want)
		}
	}
}

// heldSection is a section with that content.
func heldSection(name string, content []byte) section {
	return section{name, func() (io.Reader, uint64, error) { return bytes.NewReader(content), uint64(len(content)), nil }}
}
