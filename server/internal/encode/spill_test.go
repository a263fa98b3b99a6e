package encode_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/scopegate/scopegate/server/internal/encode"
)

// mapStore is a store in memory.
type mapStore struct {
	mu     sync.Mutex
	blocks map[int64][]byte
	last   int64
	// room is how many blocks can be put before errNoRoom; less than 0: any number.
	room int
	// broken fails reads.
	broken bool
}

var (
	errNoRoom  = errors.New("no room")
	errNoBlock = errors.New("no such block")
	errBroken  = errors.New("broken")
)

func newStore() *mapStore { return &mapStore{blocks: map[int64][]byte{}, room: -1} }

func (s *mapStore) Put(block []byte) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(block) != encode.SegmentBytes {
		return 0, fmt.Errorf("a block of %d bytes", len(block))
	}
	if s.room == 0 {
		return 0, errNoRoom
	}
	s.room--
	s.last++
	s.blocks[s.last] = bytes.Clone(block)
	return s.last, nil
}

func (s *mapStore) ReadAt(b []byte, id int64, offset int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return errBroken
	}
	block, ok := s.blocks[id]
	if !ok || offset+len(b) > len(block) {
		return errNoBlock
	}
	copy(b, block[offset:])
	return nil
}

func (s *mapStore) Free(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.blocks[id]; !ok {
		panic(errNoBlock)
	}
	delete(s.blocks, id)
}

func (s *mapStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.blocks)
}

func wantBytes(t *testing.T, s *encode.Segments, want []byte) {
	t.Helper()
	got, err := io.ReadAll(s.NewReader())
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("other bytes, error %v", err)
	}
}

func wantSpilled(t *testing.T, s interface {
	Spill(encode.Store) (int, error)
}, store encode.Store, segments int,
) {
	t.Helper()
	if freed, err := s.Spill(store); freed != segments*encode.SegmentBytes || err != nil {
		t.Errorf("%d bytes freed instead of %d, error %v", freed, segments*encode.SegmentBytes, err)
	}
}

// exactly returns segments of n bytes.
func exactly(t *testing.T, n int) (*encode.Segments, []byte) {
	t.Helper()
	s := newPool(t, encode.DefaultSettings()).NewMember(nil).Finish()
	frame, err := io.ReadAll(s.NewReader())
	if err != nil {
		t.Fatal(err)
	}
	rest := noise(1, n-len(frame))
	if _, err := s.Write(rest); err != nil {
		t.Fatal(err)
	}
	return s, append(frame, rest...)
}

func TestSpill(t *testing.T) {
	t.Parallel()
	const segment = encode.SegmentBytes
	for _, n := range []int{100, segment - 1, segment, segment + 1, 2 * segment, 5*segment + 7} {
		s, want := exactly(t, n)
		store := newStore()
		wantSpilled(t, s, store, n/segment)
		if s.Len() != n || s.HeldBytes() != (n+segment-1)/segment*segment-n/segment*segment {
			t.Errorf("%d bytes: Len %d, held %d", n, s.Len(), s.HeldBytes())
		}
		if err := iotest.TestReader(struct{ io.Reader }{s.NewReader()}, want); err != nil {
			t.Error(err)
		}
		wantSpilled(t, s, store, 0)
		// It goes on growing.
		more := noise(2, 2*segment)
		if _, err := s.Write(more); err != nil {
			t.Fatal(err)
		}
		wantBytes(t, s, append(want, more...))
		wantSpilled(t, s, store, (n+2*segment)/segment-n/segment)
		wantBytes(t, s, append(want, more...))
		s.Release()
		if store.count() != 0 || s.HeldBytes() != 0 || s.Len() != 0 {
			t.Errorf("%d blocks, %d of %d bytes in memory after Release", store.count(), s.HeldBytes(), s.Len())
		}
		wantSpilled(t, s, store, 0)
	}
}

// Spilling between writes does not show in the bytes.
func TestMemberSpill(t *testing.T) {
	t.Parallel()
	for _, settings := range shapes(6) {
		t.Run(describe(settings), func(t *testing.T) {
			t.Parallel()
			pool, store := newPool(t, settings), newStore()
			input := mixed(3, 6*settings.ChunkBytes)
			want := member(t, pool, input)
			rng := rand.New(rand.NewPCG(1, 1))
			m := pool.NewMember(nil)
			freed := 0
			for rest := input; len(rest) > 0; {
				n := min(len(rest), rng.IntN(60_000))
				write(t, m, rest[:n])
				rest = rest[n:]
				more, err := m.Spill(store)
				if err != nil {
					t.Fatal(err)
				}
				freed += more
			}
			s := m.Finish()
			if freed == 0 || freed != store.count()*encode.SegmentBytes {
				t.Errorf("%d bytes freed by %d blocks", freed, store.count())
			}
			if got := bytesOf(t, s); !bytes.Equal(got, want) {
				t.Error("other bytes")
			}
			// A discarded member leaves nothing in the store.
			write(t, m, input)
			if freed, err := m.Spill(store); freed == 0 || err != nil {
				t.Errorf("freed %d, error %v", freed, err)
			}
			m.Discard()
			if store.count() != 0 {
				t.Errorf("%d blocks are left", store.count())
			}
		})
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
			t.Errorf("%d bytes freed, error %v", freed, err)
		}
		wantBytes(t, s, want)
		wantSpilled(t, s, second, 5-room)
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
	wantSpilled(t, s, store, s.Len()/encode.SegmentBytes)
	store.broken = true
	if n, err := r.Read(make([]byte, 100)); n != 0 || !errors.Is(err, errBroken) {
		t.Errorf("%d bytes, error %v", n, err)
	}
	if _, err := gzip.NewReader(s.NewReader()); !errors.Is(err, errBroken) {
		t.Errorf("through gzip: error %v", err)
	}
	store.broken = false
	if rest, err := io.ReadAll(r); err != nil || !bytes.Equal(rest, want[10:]) {
		t.Errorf("the rest: other bytes, error %v", err)
	}
	s.Release()
}

// gateStore lets a test act while a block is being put.
type gateStore struct {
	*mapStore
	during func()
}

func (s *gateStore) Put(block []byte) (int64, error) {
	s.during()
	return s.mapStore.Put(block)
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
		wantSpilled(t, s, other, 3)
		wantBytes(t, s, want)
		store.during = nil // there is nothing left to put
	}
	wantSpilled(t, s, store, 1)
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
				t.Errorf("%d bytes are drawn while a segment moves", got)
			}
			s.Release()
		}
		_, err := s.Spill(store)
		if errors.Is(err, errNoRoom) != (room < 2) {
			t.Errorf("room for %d: error %v", room, err)
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
