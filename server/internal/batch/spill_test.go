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

// assembleOn makes a batch of five scopes of 30 KB each that don't compress.
func assembleOn(t *testing.T, account encode.Account, store encode.Store) *batch.Batch {
	t.Helper()
	rng := rand.New(rand.NewPCG(2, 2))
	a := batch.NewAssembler(header(), batch.Policy{FlushThresholdBytes: 1 << 20}, pools[0], account, 1)
	defer a.Discard()
	spilled := 0
	for range 5 {
		a.Add(checked(t, scopeOf(rng, 30_000, false)))
		if store != nil {
			freed, err := a.Spill(store)
			if err != nil {
				t.Fatal(err)
			}
			spilled += freed
		}
	}
	if store != nil && spilled < a.CompressedBytes()-encode.SegmentBytes {
		t.Errorf("%d of %d bytes are spilled", spilled, a.CompressedBytes())
	}
	return a.Seal(true)
}

// A batch that is on disk is the same bytes, and is split and renumbered as any
// other. What it is made to draws from its account, until it is released.
func TestSpilledBatch(t *testing.T) {
	t.Parallel()
	store, err := spool.Open(t.TempDir(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	account := &account{}
	b, same := assembleOn(t, account, store), assembleOn(t, nil, nil)
	wantDrawn(t, account, int64(b.File.Len())+encode.SegmentBytes-1-(int64(b.File.Len())-1)%encode.SegmentBytes-store.UsedBytes(), "sealed")
	if _, err := b.File.Spill(store); err != nil {
		t.Fatal(err)
	}
	wantDrawn(t, account, encode.SegmentBytes, "spilled")
	if !bytes.Equal(fileOf(t, b), fileOf(t, same)) {
		t.Error("on disk: other bytes")
	}

	limits := batch.Limits{CompressedBytes: b.File.Len() / 2}
	parts, err := b.Split(pools[0], 1, limits)
	if err != nil {
		t.Fatal(err)
	}
	renumbered, err := b.Renumber(pools[0], 9, true)
	if err != nil {
		t.Fatal(err)
	}
	wantParts, err := same.Split(pools[0], 1, limits)
	if err != nil || len(wantParts) != len(parts) {
		t.Fatalf("%d parts, want %d, error %v", len(parts), len(wantParts), err)
	}
	var drawn int64
	for i, part := range append(parts, renumbered) {
		if i < len(parts) && !bytes.Equal(fileOf(t, part), fileOf(t, wantParts[i])) {
			t.Errorf("part %d: other bytes", i)
		}
		drawn += (int64(part.File.Len()) + encode.SegmentBytes - 1) / encode.SegmentBytes * encode.SegmentBytes
	}
	wantDrawn(t, account, encode.SegmentBytes+drawn, "split and renumbered")
	for _, part := range append(parts, renumbered, b) {
		part.File.Release()
	}
	wantDrawn(t, account, 0, "released")
	if store.UsedBytes() != 0 {
		t.Errorf("%d bytes are on disk after Release", store.UsedBytes())
	}
}

// What fails to be split leaves nothing behind.
func TestSplitFailsAndGivesBack(t *testing.T) {
	t.Parallel()
	store, err := spool.Open(t.TempDir(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	account := &account{}
	b := assembleOn(t, account, nil)
	drawn := account.bytes.Load()
	if _, err := b.Split(pools[0], 1, batch.Limits{CompressedBytes: 1000}); err == nil {
		t.Error("what can't be divided is split")
	}
	wantDrawn(t, account, drawn, "unsplittable")

	if _, err := b.File.Spill(store); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = b.Split(pools[0], 1, batch.Limits{})
	if !errors.Is(err, os.ErrClosed) || errors.Is(err, batch.ErrMalformed) {
		t.Errorf("a store that can't be read: error %v", err)
	}
	wantDrawn(t, account, encode.SegmentBytes, "unreadable")
	b.File.Release()
	wantDrawn(t, account, 0, "released")
}
