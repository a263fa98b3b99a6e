package encode

import (
	"bytes"
	"compress/gzip"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/server/internal/deflate"
)

// wrong is an encoder whose blocks are changed by a function.
type wrong struct {
	*deflate.Compressor

	change func(blocks []byte) []byte
}

func (w wrong) Append(dst, text []byte, window int, marks []uint64) []byte {
	return append(dst, w.change(w.Compressor.Append(nil, text, window, marks))...)
}

// stored is a block of text that is not compressed.
func stored(text string) []byte {
	return append([]byte{0, byte(len(text)), 0, ^byte(len(text)), 0xff}, text...)
}

// changes are ways to be wrong.
var changes = map[string]func(blocks []byte) []byte{
	"a bit":              func(b []byte) []byte { return append(append(b[:len(b)/2:len(b)/2], b[len(b)/2]^4), b[len(b)/2+1:]...) },
	"the end is missing": func(b []byte) []byte { return b[:len(b)-1] },
	"half is missing":    func(b []byte) []byte { return b[:len(b)/2] },
	"all is missing":     func([]byte) []byte { return nil },
	"a byte behind":      func(b []byte) []byte { return append(b, 0) },
	"more text":          func(b []byte) []byte { return append(b, stored("more")...) },
	"a last block":       func(b []byte) []byte { return append(b, 1, 0, 0, 0xff, 0xff) },
	"another last block": func(b []byte) []byte { return append([]byte{1, 0, 0, 0xff, 0xff}, b...) },
	"other text":         func([]byte) []byte { return stored("other") },
	"of another window":  func([]byte) []byte { return []byte{0x13, 0x00, 0x00} },
}

// json is some JSON that is several chunks.
func json() []byte {
	return []byte(strings.Repeat(`{"scope_type":"function","name":"main","start_line":12},`, 1000))
}

// verifyingPool returns a pool that verifies all batches, and the errors it reports.
func verifyingPool(t *testing.T) (*Pool, *[]error) {
	t.Helper()
	pool, err := NewPool(Settings{Level: Scope, ChunkBytes: MinChunkBytes, WindowBytes: 4 << 10, Compressors: 1})
	if err != nil {
		t.Fatal(err)
	}
	reported := new([]error)
	pool.Verify(1, func(err error) { *reported = append(*reported, err) })
	return pool, reported
}

// requireJSON fails the test unless the member has that JSON.
func requireJSON(t *testing.T, m *Member, want []byte) {
	t.Helper()
	body := m.Finish()
	defer body.Release()
	r, err := gzip.NewReader(body.File(nil, nil).NewReader())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, error %v, want the %d written", len(got), err, len(want))
	}
}

// However an encoder is wrong, a batch that is verified has the right JSON.
func TestWrongEncoder(t *testing.T) {
	t.Parallel()
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, reported := verifyingPool(t)
			c := pool.borrow()
			c.scope = wrong{Compressor: deflate.New(), change: func(blocks []byte) []byte { return change(slices.Clone(blocks)) }}
			pool.giveBack(c)
			m, want := pool.NewMember(nil), json()
			_, _ = m.Write(want)
			requireJSON(t, m, want)
			chunks := (len(want) + MinChunkBytes - 1) / MinChunkBytes
			if s := pool.State(); len(*reported) != chunks || s.Different != int64(chunks) || s.Verified != 1 {
				t.Errorf("%d errors, %+v, want %d chunks different in 1 batch", len(*reported), s, chunks)
			}
			for _, err := range *reported {
				if text := err.Error(); !strings.HasPrefix(text, "verify chunk of ") || strings.Contains(text, "scope_type") {
					t.Errorf("error %q, want one that says what it is of, and nothing of it", text)
				}
			}
		})
	}
}

// To verify changes no byte.
func TestVerifiedBytes(t *testing.T) {
	t.Parallel()
	verifying, reported := verifyingPool(t)
	plain, err := NewPool(verifying.settings)
	if err != nil {
		t.Fatal(err)
	}
	var got [2][]byte
	for i, pool := range []*Pool{verifying, plain} {
		m := pool.NewMember(nil)
		_, _ = m.Write(json())
		body := m.Finish()
		if got[i], err = io.ReadAll(body.NewReader()); err != nil {
			t.Fatal(err)
		}
		body.Release()
	}
	if !bytes.Equal(got[0], got[1]) || len(*reported) > 0 {
		t.Errorf("%d bytes, errors %v, want the %d without verification, and none", len(got[0]), *reported, len(got[1]))
	}
}

// A share of the batches is verified, evenly, and those without content do not count.
func TestVerifiedShare(t *testing.T) {
	t.Parallel()
	for rate, want := range map[float64]int64{0: 0, 0.01: 1, 0.25: 25, 0.5: 50, 0.999: 99, 1: 100} {
		pool, err := NewPool(Settings{Level: 1, ChunkBytes: MinChunkBytes, Compressors: 1})
		if err != nil {
			t.Fatal(err)
		}
		pool.Verify(rate, func(err error) { t.Error(err) })
		m := pool.NewMember(nil)
		for range 100 {
			m.Discard()
			_, _ = m.Write(make([]byte, 20_000))
			m.Compress()
			_, _ = m.Write([]byte("more"))
			body := m.Finish()
			body.Release()
		}
		if got := pool.State().Verified; got != want {
			t.Errorf("rate %v: %d of 100 are verified, want %d", rate, got, want)
		}
	}
}
