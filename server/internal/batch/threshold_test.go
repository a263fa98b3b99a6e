package batch_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

const (
	// lookBytes is how far a comparison with the threshold may be off.
	lookBytes = 32 << 10
	// overheadBytes is more than an envelope, the header and trailer of gzip and
	// those of the blocks of what can't be compressed take.
	overheadBytes = 1 << 10
)

// scopeOf returns a scope of about n bytes of JSON, that compress or don't.
func scopeOf(rng *rand.Rand, n int, compressible bool) *symdbv1.Scope {
	scope := &symdbv1.Scope{ScopeType: "package", Name: new(fmt.Sprint(rng.Uint64()))}
	for size := 0; size < n; {
		name := strings.Repeat("name", 20)
		if !compressible {
			random := make([]byte, 90)
			for i := range random {
				random[i] = byte(rng.Uint32())
			}
			name = base64.StdEncoding.EncodeToString(random)
		}
		name = name[:min(len(name), n)]
		scope.Symbols = append(scope.Symbols, &symdbv1.Symbol{Name: &name, SymbolType: "arg"})
		size += len(name) + 45
	}
	return scope
}

// jsonBytes is how long a scope is as JSON.
type jsonBytes int

func (n *jsonBytes) Drain(json []byte) []byte {
	*n += jsonBytes(len(json))
	return make([]byte, 0, 8*transcode.Room)
}

func (*jsonBytes) Marks() []uint64 { return nil }

func lengthOf(scope transcode.Checked) int {
	n := jsonBytes(0)
	n.Drain(scope.AppendTo(nil, &n))
	return int(n)
}

// A scope for each batch where the threshold is not positive, however small.
func TestEveryScopeByItself(t *testing.T) {
	t.Parallel()
	for _, threshold := range []int{0, -1, math.MinInt} {
		a := newAssembler(t, header(), threshold)
		for i := range 5 {
			if !a.Empty() || a.Full() {
				t.Fatalf("threshold %d: an open batch without a scope: empty %v, full %v", threshold, a.Empty(), a.Full())
			}
			a.Add(named(t, "x"))
			if a.Empty() || !a.Full() {
				t.Fatalf("threshold %d: a batch with a scope: empty %v, full %v, want false, true", threshold, a.Empty(), a.Full())
			}
			if b := a.Seal(); b.ScopeCount != 1 {
				t.Errorf("threshold %d: batch %d has %d scopes, want 1", threshold, i, b.ScopeCount)
			}
		}
	}
}

// The threshold at which a batch is just full is its compressed size: it is full
// at that one, and not at one byte more.
func TestExactlyAtThreshold(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{lookBytes + 100, 55_000} {
		scope := checked(t, scopeOf(rng, n, false))
		pool := newPool(t, 1)
		full := func(threshold int) (bool, *batch.Batch) {
			a := batch.NewAssembler(header(), batch.Policy{FlushThresholdBytes: threshold}, pool, nil)
			defer a.Discard()
			a.Add(scope)
			return a.Full(), a.Seal().Number(1, true)
		}
		_, b := full(math.MaxInt)
		least := b.File.Len() - 100
		size := least + sort.Search(200, func(more int) bool {
			full, b := full(least + more)
			b.File.Release()
			return !full
		}) - 1
		at, b := full(size)
		above, _ := full(size + 1)
		if !at || above {
			t.Errorf("full at %d: %v; at %d: %v, want true, false", size, at, size+1, above)
		}
		if b.File.Len() != size {
			t.Errorf("just full at %d, but sealed it has %d, want %v", size, b.File.Len(), size)
		}
	}
}

// A batch is full only when that much is compressed, and where it is not called
// full it is never more than lookBytes over.
func TestFullIsNearlyRight(t *testing.T) {
	t.Parallel()
	pool := newPool(t, 1)
	rapid.Check(t, func(t *rapid.T) {
		threshold := rapid.IntRange(1, 70_000).Draw(t, "threshold")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		a := batch.NewAssembler(header(), batch.Policy{FlushThresholdBytes: threshold}, pool, nil)
		for range rapid.IntRange(1, 12).Draw(t, "scopes") {
			a.Add(checkedAs(t, scopeOf(rng, rng.IntN(20_000), rng.IntN(4) == 0)))
		}
		full := a.Full()
		size := a.Seal().Number(1, true).File.Len()
		if full && size < threshold {
			t.Errorf("full with %d bytes, want %d at least", size, threshold)
		}
		if !full && size > threshold+lookBytes+overheadBytes {
			t.Errorf("not full with %d bytes, want it little above %d", size, threshold)
		}
	})
}

func checkedAs(t *rapid.T, scope *symdbv1.Scope) transcode.Checked {
	wire, err := proto.Marshal(scope)
	if err != nil {
		t.Fatal(err)
	}
	c, err := plan.Check(wire, 64)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// assemble makes the batches of an upload as the server does, and looks after
// the bound on their size.
func assemble(t *rapid.T, pool *encode.Pool, threshold int, scopes []transcode.Checked) []*batch.Batch {
	a := batch.NewAssembler(header(), batch.Policy{FlushThresholdBytes: threshold}, pool, nil)
	defer a.Discard()
	var batches []*batch.Batch
	last := 0 // length of the last scope's JSON
	seal := func(final bool) {
		b := a.Seal().Number(int32(len(batches)+1), final)
		if bound := max(threshold, 0) + lookBytes + last + overheadBytes; b.File.Len() > bound {
			t.Errorf("batch %d has %d bytes, more than %d", b.Num, b.File.Len(), bound)
		}
		batches = append(batches, b)
	}
	for _, scope := range scopes {
		if a.Full() {
			seal(false)
		}
		a.Add(scope)
		last = lengthOf(scope)
	}
	seal(true)
	return batches
}

func TestUpload(t *testing.T) {
	t.Parallel()
	pool, other := newPool(t, 1), newPool(t, 3)
	rapid.Check(t, func(t *rapid.T) {
		threshold := rapid.OneOf(rapid.IntRange(-1, 2), rapid.IntRange(1, 40_000)).Draw(t, "threshold")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		var scopes []transcode.Checked
		var want []string
		for range rapid.IntRange(1, 15).Draw(t, "scopes") {
			n := rng.IntN(3000)
			if rng.IntN(8) == 0 {
				n = rng.IntN(50_000)
			}
			scope := scopeOf(rng, n, rng.IntN(2) == 0)
			scopes = append(scopes, checkedAs(t, scope))
			want = append(want, scope.GetName())
		}
		batches := assemble(t, pool, threshold, scopes)
		again := assemble(t, other, threshold, scopes)
		if len(again) != len(batches) {
			t.Fatalf("%d batches, and %d the second time, want %v", len(batches), len(again), len(batches))
		}
		var got []string
		for i, b := range batches {
			got = append(got, namesIn(t, b, i+1, i == len(batches)-1)...)
			if !bytes.Equal(fileBytes(t, again[i]), fileBytes(t, b)) {
				t.Errorf("batch %d is another the second time", b.Num)
			}
			b.File.Release()
			again[i].File.Release()
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("scopes %v, want %v", got, want)
		}
		if threshold <= 0 && len(batches) != len(scopes) {
			t.Errorf("%d scopes in %d batches, want one each", len(scopes), len(batches))
		}
	})
}

// namesIn checks a batch's envelope and event, and returns the scopes' names.
func namesIn(t *rapid.T, b *batch.Batch, num int, final bool) []string {
	var envelope struct {
		BatchNum int  `json:"batch_num"`
		Final    bool `json:"final"`
		Scopes   []struct {
			Name string `json:"name"`
		} `json:"scopes"`
	}
	var event struct {
		BatchNum       int  `json:"batchNum"`
		Final          bool `json:"final"`
		AttachmentSize int  `json:"attachmentSize"`
	}
	raw := unzipped(t, b)
	if err := json.Unmarshal(raw, &envelope); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b.AppendEvent(nil), &event); err != nil {
		t.Fatal(err)
	}
	type counts struct {
		numbers                     [3]int  // of batch, envelope and event
		finals                      [3]bool // of the same
		attachment, raw, scopeCount int
	}
	got := counts{
		[3]int{int(b.Num), envelope.BatchNum, event.BatchNum},
		[3]bool{b.Final, envelope.Final, event.Final},
		event.AttachmentSize, int(b.RawBytes), int(b.ScopeCount),
	}
	want := counts{[3]int{num, num, num}, [3]bool{final, final, final}, b.File.Len(), len(raw), len(envelope.Scopes)}
	if got != want || b.ScopeCount == 0 {
		t.Errorf("batch %d: got %+v, want %+v", num, got, want)
	}
	var names []string
	for _, scope := range envelope.Scopes {
		names = append(names, scope.Name)
	}
	return names
}

func fileBytes(t *rapid.T, b *batch.Batch) []byte {
	file, err := io.ReadAll(b.File.NewReader())
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func unzipped(t *rapid.T, b *batch.Batch) []byte {
	r, err := gzip.NewReader(b.File.NewReader())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// After Discard the assembler holds nothing of the open batch.
func TestDiscard(t *testing.T) {
	t.Parallel()
	a := newAssembler(t, header(), 0)
	a.Add(named(t, "lost"))
	a.Discard()
	a.Discard()
	if !a.Empty() || a.Full() {
		t.Errorf("empty %v, full %v, want true, false", a.Empty(), a.Full())
	}
	a.Add(named(t, "kept"))
	envelope := envelopeOf(t, a.Seal().Number(1, true))
	if bytes.Contains(envelope, []byte("lost")) || !bytes.Contains(envelope, []byte("kept")) {
		t.Errorf("%s, want \"kept\" in it, not \"lost\"", envelope)
	}
}
