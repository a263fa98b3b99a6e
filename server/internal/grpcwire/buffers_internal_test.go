package grpcwire

import (
	"runtime"
	"sync"
	"testing"

	"github.com/scopegate/scopegate/integration/wait"
	"github.com/scopegate/scopegate/server/internal/memory"
)

func testBudget() *memory.Budget { return memory.New(memory.Limits{Bytes: 1 << 30}) }

// TestBuffersAreDrawn: a buffer counts with all it can hold until it is put back;
// putting back what was not lent changes nothing.
func TestBuffersAreDrawn(t *testing.T) {
	t.Parallel()
	budget := testBudget()
	b := NewBuffers(budget)
	var lent []*[]byte
	var capacities int64
	for _, length := range []int{1, 256, 1025, 16 << 10, 70 << 10, 1 << 20, 5 << 20} {
		buffer := b.Get(length)
		if len(*buffer) != length {
			t.Errorf("%d bytes, want %d", len(*buffer), length)
		}
		if length > 1<<10 && length <= 1<<20 && cap(*buffer) > length*2 {
			t.Errorf("a buffer of %d bytes for %d, want at most twice that", cap(*buffer), length)
		}
		capacities += int64(cap(*buffer))
		lent = append(lent, buffer)
		if budget.DrawnBytes() != capacities {
			t.Errorf("%d drawn, want %d", budget.DrawnBytes(), capacities)
		}
	}
	foreign := make([]byte, 1<<10)
	b.Put(&foreign)
	for _, buffer := range lent {
		capacities -= int64(cap(*buffer))
		b.Put(buffer)
		if budget.DrawnBytes() != capacities {
			t.Errorf("%d drawn, want %d", budget.DrawnBytes(), capacities)
		}
	}
}

// TestDroppedBuffers: a buffer that nobody puts back counts until the garbage
// collector has found it, and others count as before.
func TestDroppedBuffers(t *testing.T) {
	t.Parallel()
	budget := testBudget()
	b := NewBuffers(budget)
	kept := b.Get(10 << 10)
	want := int64(cap(*kept))
	for range 100 {
		b.Put(b.Get(20 << 10))
		b.Get(30 << 10)
	}
	wait.Equal(t, "what was dropped to be given back", func() int64 { runtime.GC(); return budget.DrawnBytes() }, want)
	b.Put(kept)
	if budget.DrawnBytes() != 0 {
		t.Errorf("%d drawn, want none", budget.DrawnBytes())
	}
	runtime.KeepAlive(kept)
	if count := len(b.lent); count != 0 {
		t.Errorf("%d loans are remembered, want 0", count)
	}
}

// TestBuffersAtOnce: with many borrowers and the garbage collector at work, nothing
// is counted twice or left.
func TestBuffersAtOnce(t *testing.T) {
	t.Parallel()
	budget := testBudget()
	b := NewBuffers(budget)
	var borrowing sync.WaitGroup
	for i := range 8 {
		borrowing.Go(func() {
			for n := range 500 {
				buffer := b.Get(1 + n*97%(64<<10))
				(*buffer)[0] = byte(i)
				if n%100 == 0 {
					runtime.GC()
				}
				if (*buffer)[0] != byte(i) {
					t.Error("two have the same buffer")
				}
				b.Put(buffer)
			}
		})
	}
	borrowing.Wait()
	if budget.DrawnBytes() != 0 {
		t.Errorf("%d drawn, want none", budget.DrawnBytes())
	}
}
