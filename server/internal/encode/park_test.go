package encode_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/scopegate/scopegate/server/internal/encode"
)

// parkedShapes have windows of less than a block, one, and two.
func parkedShapes() []encode.Settings {
	all := append(shapes(encode.Scope)[1:4], shapes(1)[1:]...)
	return append(all, encode.Settings{Level: 1, ChunkBytes: 20_000, WindowBytes: encode.SegmentBytes, Compressors: 1})
}

// A member that is parked between writes gives the bytes of one that is not.
func TestParkDoesNotShow(t *testing.T) {
	t.Parallel()
	for _, settings := range parkedShapes()[:6] {
		t.Run(describe(settings), func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, settings)
			rapid.Check(t, func(rt *rapid.T) {
				account, store := &account{}, newStore()
				m, same := pool.NewMember(account), pool.NewMember(nil)
				defer same.Discard()
				rng, sameRng := rand.New(rand.NewPCG(1, 1)), rand.New(rand.NewPCG(1, 1))
				var input []byte
				for range rapid.IntRange(1, 6).Draw(rt, "writes") {
					more := mixed(rapid.Uint64Range(0, 9).Draw(rt, "seed"), rapid.IntRange(1, 25_000).Draw(rt, "length"))
					input = append(input, more...)
					if rapid.Bool().Draw(rt, "in place") {
						appendSplit(t, m, rng, more)
						appendSplit(t, same, sameRng, more)
					} else {
						_, _ = m.Write(more)
						_, _ = same.Write(more)
					}
					if rapid.Bool().Draw(rt, "stays") {
						continue
					}
					if rapid.Bool().Draw(rt, "packed") {
						m.Pack()
					}
					if err := m.Park(store); err != nil {
						rt.Fatal(err)
					}
					if m.RawBytes() != int64(len(input)) || m.TailBytes() != same.TailBytes() || m.CompressedBytes() != same.CompressedBytes() {
						rt.Errorf("parked: %d raw, %d in the tail, %d compressed; want %d, %d, %d",
							m.RawBytes(), m.TailBytes(), m.CompressedBytes(), len(input), same.TailBytes(), same.CompressedBytes())
					}
					if account.balance() != 0 {
						rt.Errorf("parked, it holds %d bytes, want 0", account.balance())
					}
					if err := m.Unpark(); err != nil {
						rt.Fatal(err)
					}
					if account.balance() != m.HeldBytes() {
						rt.Errorf("%d bytes are drawn, want the %d that are held", account.balance(), m.HeldBytes())
					}
				}
				s, other := m.Finish(), same.Finish()
				if got, err := decodedFrom(s); err != nil || !bytes.Equal(got, input) {
					rt.Errorf("decoded to others, error %v", err)
				}
				got, gotErr := io.ReadAll(s.NewReader())
				want, wantErr := io.ReadAll(other.NewReader())
				if !bytes.Equal(got, want) || gotErr != nil || wantErr != nil {
					rt.Errorf("other bytes, errors %v, %v", gotErr, wantErr)
				}
				s.Release()
				other.Release()
				if account.balance() != 0 || store.count() != 0 {
					rt.Errorf("%d bytes and %d blocks are left", account.balance(), store.count())
				}
			})
		})
	}
}

// halves makes members that have got half of their input, and knows what the
// whole comes to.
type halves struct {
	pool       *encode.Pool
	half, rest []byte
	want       []byte
}

func newHalves(t *testing.T, settings encode.Settings) *halves {
	t.Helper()
	h := &halves{
		pool: newPool(t, settings),
		half: append(noise(4, 35_000), mixed(5, 15_000)...),
		rest: mixed(6, 20_000),
	}
	m := h.pool.NewMember(nil)
	write(t, m, h.half)
	write(t, m, h.rest)
	h.want = bytesOf(t, m.Finish())
	wantMember(t, h.want, append(h.half, h.rest...))
	return h
}

// half is a member that has got the first half.
type half struct {
	*halves
	account *account
	store   *mapStore
	m       *encode.Member
}

func (h *halves) begin(t *testing.T) *half {
	t.Helper()
	begun := &half{halves: h, account: &account{}, store: newStore()}
	begun.m = h.pool.NewMember(begun.account)
	write(t, begun.m, h.half)
	return begun
}

// complete adds the other half, and compares.
func (h *half) complete(t *testing.T) {
	t.Helper()
	write(t, h.m, h.rest)
	if got := bytesOf(t, h.m.Finish()); !bytes.Equal(got, h.want) {
		t.Error("other bytes")
	}
	h.wantLeft(t, 0, 0)
}

func (h *half) discard(t *testing.T) {
	t.Helper()
	h.m.Discard()
	h.wantLeft(t, 0, 0)
}

func (h *half) wantLeft(t *testing.T, drawn, blocks int) {
	t.Helper()
	if h.account.balance() != drawn || h.store.count() != blocks || h.account.negative {
		t.Errorf("%d bytes and %d blocks, want %d and %d", h.account.balance(), h.store.count(), drawn, blocks)
	}
}

func (h *half) park(t *testing.T) {
	t.Helper()
	if err := h.m.Park(h.store); err != nil {
		t.Fatal(err)
	}
	h.wantLeft(t, 0, h.m.Blocks())
}

func (h *half) unpark(t *testing.T) {
	t.Helper()
	if err := h.m.Unpark(); err != nil {
		t.Fatal(err)
	}
	h.wantLeft(t, h.m.HeldBytes(), h.m.Blocks())
}

// A member that can't be parked, at whatever block, can be used, be parked later,
// and be discarded.
func TestParkFails(t *testing.T) {
	t.Parallel()
	for _, settings := range parkedShapes() {
		halves := newHalves(t, settings)
		h := halves.begin(t)
		h.park(t)
		blocks := h.store.count()
		const least = 3
		if blocks < least {
			t.Errorf("%s: %d blocks, want %d or more", describe(settings), blocks, least)
		}
		h.discard(t)
		then := []func(*half){
			func(h *half) { h.complete(t) },
			func(h *half) { h.discard(t) },
			func(h *half) {
				h.store.room = -1
				h.park(t)
				h.unpark(t)
				h.complete(t)
			},
		}
		for room := range blocks {
			for _, act := range then {
				h := halves.begin(t)
				h.store.room = room
				if err := h.m.Park(h.store); !errors.Is(err, errNoRoom) {
					t.Errorf("%s: room for %d: error %v, want %v", describe(settings), room, err, errNoRoom)
				}
				h.wantLeft(t, h.m.HeldBytes(), h.m.Blocks())
				act(h)
			}
		}
	}
}

// A member that can't be unparked, at whatever block, stays parked: it holds
// nothing, can be unparked later, and be discarded.
func TestUnparkFails(t *testing.T) {
	t.Parallel()
	for _, settings := range parkedShapes() {
		halves, failed := newHalves(t, settings), 0
		for _, act := range []func(*half){
			func(h *half) { h.discard(t) },
			func(h *half) {
				h.unpark(t)
				h.complete(t)
			},
		} {
			for reads := 0; ; reads++ {
				h := halves.begin(t)
				h.park(t)
				blocks := h.store.count()
				h.store.reads = reads
				err := h.m.Unpark()
				h.store.reads = -1
				if err == nil {
					h.complete(t)
					break
				}
				failed++
				if !errors.Is(err, errBroken) {
					t.Errorf("%s: %d reads: error %v, want %v", describe(settings), reads, err, errBroken)
				}
				h.wantLeft(t, 0, blocks)
				if err := h.m.Park(h.store); err != nil {
					t.Errorf("%s: parked, it can't be parked again: %v", describe(settings), err)
				}
				h.wantLeft(t, 0, blocks)
				act(h)
			}
		}
		if failed == 0 {
			t.Errorf("%s: nothing is read", describe(settings))
		}
	}
}

// Parked twice, unparked twice, or unparked without being parked.
func TestParkAgain(t *testing.T) {
	t.Parallel()
	h := newHalves(t, encode.DefaultSettings()).begin(t)
	held := h.m.HeldBytes()
	h.unpark(t)
	h.wantLeft(t, held, 0)
	h.park(t)
	blocks := h.store.count()
	h.park(t)
	h.wantLeft(t, 0, blocks)
	h.m.Compress() // has nothing to do
	h.wantLeft(t, 0, blocks)
	h.unpark(t)
	held = h.m.HeldBytes()
	h.unpark(t)
	h.wantLeft(t, held, h.store.count())
	h.park(t)
	h.unpark(t)
	h.complete(t)
}

// A member without content has nothing to park, be it new, finished or
// discarded.
func TestParkEmpty(t *testing.T) {
	t.Parallel()
	pool := newPool(t, encode.DefaultSettings())
	account, store := &account{}, newStore()
	m := pool.NewMember(account)
	input := mixed(1, 5000)
	want := member(t, pool, input)
	for i, before := range []func(){
		func() {},
		func() { m.Tail() },
		func() {
			write(t, m, input)
			m.Discard()
		},
		func() {
			write(t, m, input)
			bytesOf(t, m.Finish())
		},
	} {
		before()
		if err := m.Park(store); err != nil {
			t.Fatal(err)
		}
		if store.count() != 0 || account.balance() != 0 || m.RawBytes() != 0 {
			t.Errorf("%d: %d blocks, %d bytes, %d raw, want count 0, balance 0 and RawBytes 0", i, store.count(), account.balance(), m.RawBytes())
		}
		if err := m.Unpark(); err != nil {
			t.Fatal(err)
		}
		write(t, m, input)
		if got := bytesOf(t, m.Finish()); !bytes.Equal(got, want) {
			t.Errorf("%d: other bytes", i)
		}
	}
}

// A small upload takes one block, which has its window and what is compressed.
func TestParkSmall(t *testing.T) {
	t.Parallel()
	account, store := &account{}, newStore()
	m := newPool(t, encode.DefaultSettings()).NewMember(account)
	input := scopes(1, 11_500)
	write(t, m, input)
	if err := m.Park(store); err != nil {
		t.Fatal(err)
	}
	if store.count() != 1 {
		t.Errorf("%d blocks, want 1", store.count())
	}
	if err := m.Unpark(); err != nil {
		t.Fatal(err)
	}
	wantMember(t, bytesOf(t, m.Finish()), input)
}

// Where JSON is just being appended, what was drained is parked.
func TestParkWhileAppending(t *testing.T) {
	t.Parallel()
	settings := shapes(6)[1]
	pool, store := newPool(t, settings), newStore()
	m := pool.NewMember(nil)
	input := mixed(2, 100_000)
	taken := 0
	tail := m.Tail()
	for m.CompressedBytes() == 0 {
		n := cap(tail) - len(tail)
		tail = append(tail, input[taken:taken+n]...)
		taken += n
		tail = m.Drain(tail)
	}
	if err := m.Park(store); err != nil {
		t.Fatal(err)
	}
	if m.HeldBytes() != 0 || m.RawBytes() != int64(taken) {
		t.Errorf("%d bytes held, %d raw, want none and %d", m.HeldBytes(), m.RawBytes(), taken)
	}
	if err := m.Unpark(); err != nil {
		t.Fatal(err)
	}
	write(t, m, input[taken:])
	wantMember(t, bytesOf(t, m.Finish()), input)
}
