package encode_test

import (
	"bytes"
	"io"
	"testing"

	"pgregory.net/rapid"

	"github.com/scopegate/scopegate/server/internal/encode"
)

// TestPackDoesNotShow: a member that is packed between writes gives the bytes of one that is
// not, draws what it holds, and can be parked, packed again and discarded.
func TestPackDoesNotShow(t *testing.T) {
	t.Parallel()
	for _, settings := range parkedShapes() {
		t.Run(describe(settings), func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, settings)
			rapid.Check(t, func(t *rapid.T) {
				account, store := &account{}, newStore()
				m, same := pool.NewMember(account), pool.NewMember(nil)
				for range rapid.IntRange(1, 8).Draw(t, "writes") {
					more := mixed(rapid.Uint64Range(0, 9).Draw(t, "seed"), rapid.IntRange(1, 25_000).Draw(t, "length"))
					_, _ = m.Write(more)
					_, _ = same.Write(more)
					for range rapid.IntRange(0, 2).Draw(t, "packs") {
						m.Pack()
					}
					if m.RawBytes() != same.RawBytes() || m.TailBytes() != same.TailBytes() {
						t.Errorf("packed: %d raw, %d in the tail; want %d, %d", m.RawBytes(), m.TailBytes(), same.RawBytes(), same.TailBytes())
					}
					if account.balance() != m.HeldBytes() {
						t.Errorf("%d bytes are drawn, want the %d that are held", account.balance(), m.HeldBytes())
					}
					if rapid.IntRange(0, 3).Draw(t, "parks") == 0 {
						if err := m.Park(store); err != nil {
							t.Fatal(err)
						}
						if account.balance() != 0 {
							t.Errorf("parked, it holds %d bytes, want 0", account.balance())
						}
					}
					m.Unpack()
					if err := m.Unpark(); err != nil {
						t.Fatal(err)
					}
				}
				if rapid.Bool().Draw(t, "discarded") {
					m.Pack()
					m.Discard()
					same.Discard()
				} else {
					body, other := m.Finish(), same.Finish()
					got, gotErr := io.ReadAll(body.NewReader())
					want, wantErr := io.ReadAll(other.NewReader())
					if !bytes.Equal(got, want) || gotErr != nil || wantErr != nil {
						t.Errorf("%d bytes, errors %v, %v; want the %d of a member that was never packed", len(got), gotErr, wantErr, len(want))
					}
					body.Release()
					other.Release()
				}
				if account.balance() != 0 || store.count() != 0 {
					t.Errorf("%d bytes and %d blocks are left, want none", account.balance(), store.count())
				}
			})
		})
	}
}

// TestPackIsSmall: packed JSON takes much less memory; a short buffer stays as it is.
func TestPackIsSmall(t *testing.T) {
	t.Parallel()
	m := newPool(t, shapes(encode.Scope)[0]).NewMember(nil)
	defer m.Discard()
	write(t, m, []byte(`{"name":"main"}`))
	held := m.HeldBytes()
	if m.Pack(); m.HeldBytes() != held {
		t.Errorf("a short buffer of %d became %d bytes, want no change", held, m.HeldBytes())
	}
	write(t, m, bytes.Repeat([]byte(`{"name":"github.com/scopegate/scopegate","scopes":[]},`), 300))
	held = m.HeldBytes()
	if m.Pack(); m.HeldBytes() > held/4 {
		t.Errorf("%d bytes became %d, want at most a quarter", held, m.HeldBytes())
	}
}
