package gosym

import (
	"bytes"
	"encoding/binary"
	"io"
	"path/filepath"
	"slices"
	"testing"
)

// FuzzDebugPlaces: whatever an executable says, its debug file is in one of few folders.
func FuzzDebugPlaces(f *testing.F) {
	f.Add([]byte("shop.debug\x00\x00\x01\x02\x03\x04"), []byte("\x04\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00GNU\x00\xab\xcd"))
	f.Add([]byte("../x\x00\x00\x00\x00\x01\x02\x03\x04"), []byte("\x04\x00\x00\x00\xff\xff\xff\xff\x03\x00\x00\x00GNU\x00\xab\xcd"))
	f.Add([]byte("/etc/passwd\x00\x01\x02\x03\x04"), []byte{})
	f.Fuzz(func(t *testing.T, link, note []byte) {
		held := func(name string, content []byte) section {
			return section{name, func() (io.Reader, uint64, error) { return bytes.NewReader(content), uint64(len(content)), nil }}
		}
		c := &container{order: binary.LittleEndian, sections: []section{held("gnu_debuglink", link), held("note.gnu.build-id", note)}}
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
