package grpcwire

import (
	"runtime"
	"slices"
	"sync"

	"github.com/scopegate/scopegate/server/internal/memory"
)

// bufferSizes are the sizes of pooled buffers. Above 1 KiB, at most a third of one is unused.
// gRPC's own choice has none between 4 and 16 KiB, or between 32 KiB and 1 MiB.
var bufferSizes = []int{
	256, 1 << 10, 1536, 2 << 10, 3 << 10, 4 << 10, 6 << 10, 8 << 10, 12 << 10, 16 << 10, 24 << 10, 32 << 10, 48 << 10,
	64 << 10, 96 << 10, 128 << 10, 192 << 10, 256 << 10, 384 << 10, 512 << 10, 768 << 10, 1 << 20,
}

// Buffers is a pool of gRPC's receive buffers. It draws those in use from the budget. gRPC
// drops the buffers of a stream that ends before it is read; they count until the garbage
// collector finds them.
type Buffers struct {
	budget *memory.Budget
	// pools has one pool for each of bufferSizes, and one for longer buffers. They hold
	// *[]byte. The slices are empty, which those of lent buffers are not.
	pools []sync.Pool
}

// NewBuffers returns a pool that draws from budget.
func NewBuffers(budget *memory.Budget) *Buffers {
	return &Buffers{budget: budget, pools: make([]sync.Pool, len(bufferSizes)+1)}
}

// Get returns a buffer of that length, which must be positive. Its content is undefined.
func (b *Buffers) Get(length int) *[]byte {
	buffer := b.find(length)
	b.budget.Draw(cap(*buffer))
	*buffer = (*buffer)[:length]
	return buffer
}

// Put returns a buffer, which must be from Get, to the pool.
func (b *Buffers) Put(buffer *[]byte) {
	*buffer = (*buffer)[:0]
	b.budget.Draw(-cap(*buffer))
	class, _ := slices.BinarySearch(bufferSizes, cap(*buffer))
	b.pools[class].Put(buffer)
}

// find returns a buffer of the pool, or a new one.
func (b *Buffers) find(length int) *[]byte {
	class, _ := slices.BinarySearch(bufferSizes, length)
	if buffer, ok := b.pools[class].Get().(*[]byte); ok && cap(*buffer) >= length {
		return buffer
	}
	if class < len(bufferSizes) {
		length = bufferSizes[class]
	}
	buffer := new([]byte)
	*buffer = make([]byte, 0, length)
	// A cleanup would not see whether the buffer is lent.
	runtime.SetFinalizer(buffer, b.collected)
	return buffer
}

// collected is called when the garbage collector has found a buffer.
func (b *Buffers) collected(buffer *[]byte) {
	if len(*buffer) > 0 {
		b.budget.Draw(-cap(*buffer))
	}
}
