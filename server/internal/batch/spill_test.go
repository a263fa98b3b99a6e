package batch_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/spool"
)

type account struct{ bytes atomic.Int64 }

func (a *account) Draw(bytes int) { a.bytes.Add(int64(bytes)) }

func wantDrawn(t *testing.T, a *account, want int64, when string) {
	t.Helper()
	if got := a.bytes.Load(); got != want {
		t.Errorf("%s: %d bytes are drawn, want %d", when, got, want)
	}
}

// assembleOn makes a batch of five scopes of 30 KB each that don't compress. With
// a store, it is parked after each of them.
func assembleOn(t *testing.T, account encode.Account, store encode.Store) *batch.Batch {
	t.Helper()
	rng := rand.New(rand.NewPCG(2, 2))
	a := batch.NewAssembler(header(), batch.Policy{FlushThresholdBytes: 1 << 20}, pools[0], account)
	defer a.Discard()
	for range 5 {
		a.Add(checked(t, scopeOf(rng, 30_000, false)))
		if store != nil {
			park(t, a, store)
			resume(t, a)
		}
	}
	return a.Seal().Number(1, true)
}

func park(t *testing.T, a *batch.Assembler, store encode.Store) {
	t.Helper()
	if err := a.Park(store); err != nil {
		t.Fatal(err)
	}
}

func resume(t *testing.T, a *batch.Assembler) {
	t.Helper()
	if err := a.Resume(); err != nil {
		t.Fatal(err)
	}
}

// Batches that are parked again and again hold no memory meanwhile, say the same
// and are full at the same scopes as those that aren't, by either threshold.
func TestParkedBatches(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]batch.Policy{
		"compressed":  {FlushThresholdBytes: 50_000},
		"raw":         {FlushThresholdBytes: 1 << 20, FlushThresholdRawBytes: 80_000},
		"every scope": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, account := openSpool(t), &account{}
			a := batch.NewAssembler(header(), policy, pools[0], account)
			same := batch.NewAssembler(header(), policy, pools[0], nil)
			defer a.Discard()
			defer same.Discard()
			park(t, a, store) // has nothing yet
			rng := rand.New(rand.NewPCG(2, 2))
			batches := 0
			seal := func() {
				batches++
				got, want := a.Seal().Number(7, false), same.Seal().Number(7, false)
				if got.ScopeCount != want.ScopeCount || got.RawBytes != want.RawBytes {
					t.Errorf("got %+v\nwant %+v", got, want)
				}
				if !bytes.Equal(envelopeOf(t, got), envelopeOf(t, want)) {
					t.Errorf("batch %d: another envelope", batches)
				}
				got.File.Release()
				want.File.Release()
			}
			for range 12 {
				scope := checked(t, scopeOf(rng, 5_000+rng.IntN(30_000), false))
				resume(t, a)
				if a.Full() {
					seal()
				}
				a.Add(scope)
				same.Add(scope)
				full, raw := a.Full(), a.RawBytes()
				park(t, a, store)
				wantDrawn(t, account, 0, "parked")
				if a.Full() != full || full != same.Full() || a.RawBytes() != raw || raw != same.RawBytes() || a.Empty() {
					t.Errorf("parked: full %v, %d raw bytes, empty %v; before: %v, %d; without: %v, %d",
						a.Full(), a.RawBytes(), a.Empty(), full, raw, same.Full(), same.RawBytes())
				}
			}
			resume(t, a)
			seal()
			if batches < 3 {
				t.Errorf("%d batches, want at least 3", batches)
			}
			wantDrawn(t, account, 0, "released")
			if store.UsedBytes() != 0 {
				t.Errorf("%d bytes are on disk, want 0", store.UsedBytes())
			}
		})
	}
}

// A batch that can't be parked or resumed is as good as before; one that is given
// up while it is parked leaves nothing on disk.
func TestParkOrResumeFails(t *testing.T) {
	t.Parallel()
	account := &account{}
	a := batch.NewAssembler(header(), batch.Policy{FlushThresholdBytes: 1 << 20}, pools[0], account)
	a.Add(checked(t, scopeOf(rand.New(rand.NewPCG(2, 2)), 60_000, false)))
	small, err := spool.Open(t.TempDir(), 2*spool.BlockBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	if err := a.Park(small); !errors.Is(err, spool.ErrFull) {
		t.Errorf("no room: error %v, want %v", err, spool.ErrFull)
	}
	store := openSpool(t)
	park(t, a, store)
	wantDrawn(t, account, 0, "parked")
	if store.UsedBytes() == 0 {
		t.Error("nothing is on disk")
	}
	a.Discard()
	if store.UsedBytes() != 0 || small.UsedBytes() != 0 {
		t.Errorf("discarded: %d and %d bytes are on disk, want UsedBytes 0 and UsedBytes 0", store.UsedBytes(), small.UsedBytes())
	}

	a.Add(named(t, "a"))
	park(t, a, store)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := a.Resume(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("closed: error %v, want %v", err, os.ErrClosed)
		}
		wantDrawn(t, account, 0, "not resumed")
	}
	a.Discard()
	if store.UsedBytes() != 0 {
		t.Errorf("discarded: %d bytes are in use, want 0", store.UsedBytes())
	}
}

func openSpool(t *testing.T) *spool.Spool {
	t.Helper()
	store, err := spool.Open(t.TempDir(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// A batch that was parked and is on disk says the same, and is split as any other.
// What it is made to draws from its account, until it is released.
func TestSpilledBatch(t *testing.T) {
	t.Parallel()
	store, account := openSpool(t), &account{}
	b, same := assembleOn(t, account, store), assembleOn(t, nil, nil)
	wantDrawn(t, account, int64(b.File.Body.Len())-store.UsedBytes(), "sealed")
	if _, err := b.File.Spill(store); err != nil {
		t.Fatal(err)
	}
	wantDrawn(t, account, 0, "spilled")
	if !bytes.Equal(envelopeOf(t, b), envelopeOf(t, same)) {
		t.Error("on disk: other bytes")
	}

	limits := batch.Limits{CompressedBytes: b.File.Len() / 2}
	parts, err := b.Split(pools[0], limits)
	if err != nil {
		t.Fatal(err)
	}
	wantParts, err := same.Split(pools[0], limits)
	if err != nil || len(wantParts) != len(parts) {
		t.Fatalf("%d parts, want %d, error %v", len(parts), len(wantParts), err)
	}
	var drawn int64
	for i, part := range parts {
		if !bytes.Equal(fileOf(t, part.Number(1, false)), fileOf(t, wantParts[i].Number(1, false))) {
			t.Errorf("part %d: other bytes", i)
		}
		drawn += int64(part.Body.Len())
	}
	wantDrawn(t, account, drawn, "split")
	b.File.Release()
	for _, part := range parts {
		part.Body.Release()
	}
	wantDrawn(t, account, 0, "released")
	if store.UsedBytes() != 0 {
		t.Errorf("%d bytes are on disk after Release, want 0", store.UsedBytes())
	}
}

// What fails to be split leaves nothing behind.
func TestSplitFailsAndGivesBack(t *testing.T) {
	t.Parallel()
	store, account := openSpool(t), &account{}
	b := assembleOn(t, account, nil)
	drawn := account.bytes.Load()
	if _, err := b.Split(pools[0], batch.Limits{CompressedBytes: 1000}); err == nil {
		t.Error("what can't be divided is split")
	}
	wantDrawn(t, account, drawn, "unsplittable")

	if _, err := b.File.Spill(store); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := b.Split(pools[0], batch.Limits{})
	if !errors.Is(err, os.ErrClosed) || errors.Is(err, batch.ErrMalformed) {
		t.Errorf("a store that can't be read: error %v, want %v alone", err, os.ErrClosed)
	}
	wantDrawn(t, account, 0, "unreadable")
	b.File.Release()
	wantDrawn(t, account, 0, "released")
}
