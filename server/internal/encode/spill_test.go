package encode_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/scopegate/scopegate/server/internal/encode"
)

func wantBytes(t *testing.T, s *encode.Body, want []byte) {
	t.Helper()
	got, err := io.ReadAll(s.NewReader())
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("other bytes, error %v", err)
	}
}

func wantSpilled(t *testing.T, s *encode.Body, store encode.Store, bytes int) {
	t.Helper()
	if freed, err := s.Spill(store); freed != bytes || err != nil {
		t.Errorf("%d bytes freed, error %v; want %d", freed, err, bytes)
	}
}

// exactly returns finished segments of n bytes.
func exactly(t *testing.T, n int) (*encode.Body, []byte) {
	t.Helper()
	s := newPool(t, encode.DefaultSettings()).NewMember(nil).Finish()
	want := noise(1, n)
	s.Append(want)
	return s, want
}

func TestSpill(t *testing.T) {
	t.Parallel()
	const segment = encode.SegmentBytes
	for _, n := range []int{100, segment - 1, segment, segment + 1, 2 * segment, 5*segment + 7} {
		s, want := exactly(t, n)
		store := newStore()
		segments := (n + segment - 1) / segment
		wantSpilled(t, s, store, segments*segment)
		if s.Len() != n || s.HeldBytes() != 0 || store.count() != segments {
			t.Errorf("%d bytes: Len %d, held %d, %d blocks, want Len %v, HeldBytes 0 and count %v", n, s.Len(), s.HeldBytes(), store.count(), n, segments)
		}
		if err := iotest.TestReader(struct{ io.Reader }{s.NewReader()}, want); err != nil {
			t.Error(err)
		}
		wantSpilled(t, s, store, 0)
		s.Release()
		if store.count() != 0 || s.Len() != 0 {
			t.Errorf("%d blocks, Len %d after Release, want count 0 and Len 0", store.count(), s.Len())
		}
		wantSpilled(t, s, store, 0)
	}
}

// What finds no room stays in memory, and goes to another store later.
func TestSpillFails(t *testing.T) {
	t.Parallel()
	for room := range 5 {
		s, want := exactly(t, 5*encode.SegmentBytes)
		first, second := newStore(), newStore()
		first.room = room
		freed, err := s.Spill(first)
		if freed != room*encode.SegmentBytes || !errors.Is(err, errNoRoom) {
			t.Errorf("%d bytes freed, error %v, want freed %v and %v", freed, err, room*encode.SegmentBytes, errNoRoom)
		}
		wantBytes(t, s, want)
		wantSpilled(t, s, second, (5-room)*encode.SegmentBytes)
		wantBytes(t, s, want)
		s.Release()
		if first.count()+second.count() != 0 {
			t.Error("blocks are left")
		}
	}
}

// A store that can't be read fails the reader, as something else than an end.
func TestStoreReadFails(t *testing.T) {
	t.Parallel()
	pool := newPool(t, encode.DefaultSettings())
	s, want := finished(t, pool, 100_000)
	store := newStore()
	r := s.NewReader()
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	wantSpilled(t, s, store, s.Len())
	store.reads = 0
	if n, err := r.Read(make([]byte, 100)); n != 0 || !errors.Is(err, errBroken) {
		t.Errorf("%d bytes, error %v, want 0 and %v", n, err, errBroken)
	}
	if _, err := gzip.NewReader(s.NewReader()); !errors.Is(err, errBroken) {
		t.Errorf("through gzip: error %v, want %v", err, errBroken)
	}
	store.reads = -1
	if rest, err := io.ReadAll(r); err != nil || !bytes.Equal(rest, want[10:]) {
		t.Errorf("the rest: other bytes, error %v", err)
	}
	s.Release()
}

// While a segment is moved it is read from memory, and left out by others that
// spill.
func TestReadWhileSegmentMoves(t *testing.T) {
	t.Parallel()
	s, want := exactly(t, 4*encode.SegmentBytes)
	other := newStore()
	store := &gateStore{mapStore: newStore()}
	store.during = func() {
		wantBytes(t, s, want)
		wantSpilled(t, s, other, 3*encode.SegmentBytes)
		wantBytes(t, s, want)
		store.during = nil // there is nothing left to put
	}
	wantSpilled(t, s, store, encode.SegmentBytes)
	wantBytes(t, s, want)
	s.Release()
	if store.count()+other.count() != 0 {
		t.Error("blocks are left")
	}
}

// Segments that are released while one of them moves give all of it back, and
// nobody uses the one that moves until then.
func TestReleaseWhileSegmentMoves(t *testing.T) {
	t.Parallel()
	for room := range 3 {
		account := &account{}
		pool := newPool(t, encode.DefaultSettings())
		m := pool.NewMember(account)
		write(t, m, noise(3, 50_000))
		s := m.Finish()
		m.Discard()
		store := &gateStore{mapStore: newStore()}
		store.room = room
		puts := 0
		store.during = func() {
			if puts++; puts != 2 {
				return
			}
			s.Release()
			if got := account.balance(); got != encode.SegmentBytes {
				t.Errorf("%d bytes are drawn while a segment moves, want %v", got, encode.SegmentBytes)
			}
			s.Release()
		}
		_, err := s.Spill(store)
		if errors.Is(err, errNoRoom) != (room < 2) {
			t.Errorf("room for %d: error %v, want %v below 2", room, err, errNoRoom)
		}
		s.Release()
		if store.count() != 0 || account.balance() != 0 {
			t.Errorf("room for %d: %d blocks and %d bytes are left", room, store.count(), account.balance())
		}
	}
}

func TestSpillConcurrently(t *testing.T) {
	t.Parallel()
	account, store := &account{}, newStore()
	pool := newPool(t, encode.DefaultSettings())
	for range 20 {
		m := pool.NewMember(account)
		write(t, m, noise(3, 150_000))
		s := m.Finish()
		m.Discard()
		want, err := io.ReadAll(s.NewReader())
		if err != nil {
			t.Fatal(err)
		}
		var readers, spillers sync.WaitGroup
		for range 3 {
			readers.Go(func() { wantBytes(t, s, want) })
		}
		for range 2 {
			spillers.Go(func() {
				if _, err := s.Spill(store); err != nil {
					t.Error(err)
				}
			})
		}
		readers.Wait()
		s.Release()
		spillers.Wait()
		if store.count() != 0 || account.balance() != 0 {
			t.Fatalf("%d blocks and %d bytes are left", store.count(), account.balance())
		}
	}
}
