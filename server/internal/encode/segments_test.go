package encode_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/scopegate/scopegate/server/internal/encode"
)

// finished returns a member that fills n bytes of segments or a few more, and
// its bytes.
func finished(t *testing.T, pool *encode.Pool, n int) (*encode.Body, []byte) {
	t.Helper()
	m := pool.NewMember(nil)
	write(t, m, noise(6, n))
	s := m.Finish()
	all, err := io.ReadAll(s.NewReader())
	if err != nil {
		t.Fatal(err)
	}
	return s, all
}

func TestSegmentsReader(t *testing.T) {
	t.Parallel()
	pool := newPool(t, encode.DefaultSettings())
	for _, n := range []int{1, 1000, 16<<10 - 33, 16 << 10, 50_000, 200_000} {
		s, want := finished(t, pool, n)
		if s.Len() != len(want) {
			t.Errorf("Len %d, but %d bytes were read, want %v", s.Len(), len(want), len(want))
		}
		if len(want) < 60_000 { // reads byte by byte
			if err := iotest.TestReader(struct{ io.Reader }{s.NewReader()}, want); err != nil {
				t.Error(err)
			}
		}
		// Read some, then the rest.
		r := s.NewReader()
		front := make([]byte, len(want)/2)
		if _, err := io.ReadFull(r, front); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(slices.Concat(front, rest), want) {
			t.Errorf("read in two parts: other bytes, error %v", err)
		}
		if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("Read at the end: %d, %v, want 0 and %v", n, err, io.EOF)
		}
		s.Release()
	}
}

// Chunks from 16 KiB of noise make up segments of every length, the full one
// among them.
func TestSegmentsOfAllLengths(t *testing.T) {
	t.Parallel()
	pool := newPool(t, encode.Settings{Level: 1, ChunkBytes: 16 << 10, Compressors: 1})
	lengths := map[int]bool{}
	for n := 16350; n < 16380; n++ {
		s, all := finished(t, pool, n)
		lengths[len(all)] = true
		wantMember(t, bytesOf(t, s), noise(6, n))
	}
	if !lengths[16<<10] {
		t.Errorf("none of %d bodies fills its segment", len(lengths))
	}
}

func TestSegmentsReadByMany(t *testing.T) {
	t.Parallel()
	pool := newPool(t, encode.DefaultSettings())
	s, want := finished(t, pool, 100_000)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			if got, err := io.ReadAll(iotest.HalfReader(s.NewReader())); err != nil || !bytes.Equal(got, want) {
				t.Errorf("other bytes, error %v", err)
			}
		})
	}
	all.Wait()
	s.Release()
}

func TestReleaseTwice(t *testing.T) {
	t.Parallel()
	pool := newPool(t, encode.DefaultSettings())
	s, _ := finished(t, pool, 50_000)
	s.Release()
	if s.Len() != 0 {
		t.Errorf("Len %d after Release, want 0", s.Len())
	}
	// Were a segment given back twice, two of these would share it.
	s.Release()
	a, wantA := finished(t, pool, 50_000)
	s.Release()
	m := pool.NewMember(nil)
	write(t, m, noise(7, 50_000))
	b := m.Finish()
	if got, err := io.ReadAll(a.NewReader()); err != nil || !bytes.Equal(got, wantA) {
		t.Errorf("overwritten, error %v", err)
	}
	wantMember(t, bytesOf(t, b), noise(7, 50_000))
	a.Release()
}
