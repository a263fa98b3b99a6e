package encode_test

import (
	"bytes"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/klauspost/compress/gzip"
	"pgregory.net/rapid"

	"github.com/scopegate/scopegate/server/internal/encode"
)

// wantFile checks a file as wantMember does, and has another decoder read it.
func wantFile(tb testing.TB, file []byte, parts ...[]byte) {
	tb.Helper()
	want := slices.Concat(parts...)
	wantMember(tb, file, want)
	r, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		tb.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		tb.Errorf("klauspost/compress reads %d other bytes, error %v", len(got), err)
	}
}

// bodyOf returns input as a body.
func bodyOf(tb testing.TB, pool *encode.Pool, input []byte) *encode.Body {
	tb.Helper()
	m := pool.NewMember(nil)
	write(tb, m, input)
	return m.Finish()
}

// A body of any length can be in any number of files, with heads and tails that
// take no block, one block and several. Its own bytes are the same in all.
func TestFile(t *testing.T) {
	t.Parallel()
	around := [][]byte{nil, []byte("{"), scopes(3, 200), noise(3, math.MaxUint16), noise(3, math.MaxUint16+1), scopes(3, 150_000)}
	for _, settings := range shapes(6)[1:] {
		pool := newPool(t, settings)
		for _, input := range [][]byte{nil, {'x'}, scopes(1, 5000), noise(1, 20_000), mixed(1, 70_000)} {
			body := bodyOf(t, pool, input)
			blocks, err := io.ReadAll(body.NewReader())
			if err != nil || len(blocks) != body.Len() || body.RawBytes() != int64(len(input)) {
				t.Fatalf("%d bytes, want %d, %d raw, want %d, error %v", len(blocks), body.Len(), body.RawBytes(), len(input), err)
			}
			for i, head := range around {
				tail := around[len(around)-1-i]
				f := body.File(head, tail)
				file, err := io.ReadAll(f.NewReader())
				if err != nil || len(file) != f.Len() {
					t.Fatalf("%d bytes, want %d, error %v", len(file), f.Len(), err)
				}
				wantFile(t, file, head, input, tail)
				front := f.Len() - body.Len() - 8 - storedBytes(len(tail))
				if !bytes.Equal(file[front:front+len(blocks)], blocks) {
					t.Errorf("head %d, tail %d: the body has other bytes", len(head), len(tail))
				}
			}
			body.Release()
		}
	}
}

// storedBytes is how long n bytes are in blocks that are not compressed.
func storedBytes(n int) int { return n + 5*max(1, (n+math.MaxUint16-1)/math.MaxUint16) }

// A file keeps neither the head nor the tail that it was made of, and can be read
// when its body is in a store.
func TestFileOfSpilledBody(t *testing.T) {
	t.Parallel()
	store := newStore()
	input := mixed(2, 90_000)
	body := bodyOf(t, newPool(t, shapes(6)[1]), input)
	head, tail := []byte("head"), []byte("tail")
	before := body.File(head, tail)
	clear(head)
	clear(tail)
	if _, err := before.Spill(store); err != nil {
		t.Fatal(err)
	}
	if body.HeldBytes() != 0 || store.count() == 0 {
		t.Errorf("%d bytes are held, %d blocks stored, want none and some", body.HeldBytes(), store.count())
	}
	after := body.File([]byte("other"), nil)
	for _, f := range []struct {
		*encode.File

		head, tail string
	}{{before, "head", "tail"}, {after, "other", ""}} {
		file, err := io.ReadAll(f.NewReader())
		if err != nil {
			t.Fatal(err)
		}
		wantFile(t, file, []byte(f.head), input, []byte(f.tail))
	}
	after.Release()
	if store.count() != 0 {
		t.Errorf("%d blocks are left", store.count())
	}
}

// A file that says what its parts say, whatever they are and however the body was
// made.
func TestAnyFile(t *testing.T) {
	t.Parallel()
	pools := []*encode.Pool{newPool(t, shapes(1)[1]), newPool(t, shapes(9)[3])}
	rapid.Check(t, func(rt *rapid.T) {
		pool := rapid.SampledFrom(pools).Draw(rt, "pool")
		lengths := rapid.OneOf(rapid.IntRange(6, 300), rapid.IntRange(6, 80_000))
		part := func(label string) []byte {
			return mixed(rapid.Uint64Range(0, 99).Draw(rt, label), lengths.Draw(rt, "length of "+label))
		}
		m, store := pool.NewMember(nil), newStore()
		var body []byte
		for range rapid.IntRange(0, 4).Draw(rt, "writes") {
			more := part("body")
			body = append(body, more...)
			write(t, m, more)
			if rapid.Bool().Draw(rt, "parked") {
				if err := m.Park(store); err != nil {
					rt.Fatal(err)
				}
				if err := m.Unpark(); err != nil {
					rt.Fatal(err)
				}
			}
		}
		head, tail := part("head"), part("tail")
		wantFile(t, fileOf(t, m.Finish().File(head, tail)), head, body, tail)
	})
}
