package grpcwire

import (
	"runtime"
	"sync"
	"weak"

	"google.golang.org/grpc/mem"

	"github.com/scopegate/scopegate/server/internal/memory"
)

// bufferSizes are the sizes of pooled buffers. Above 256 bytes, at most a third of one is unused.
// gRPC's own choice has none between 4 and 16 KiB, or between 32 KiB and 1 MiB.
var bufferSizes = []int{
	256, 384, 512, 768, 1 << 10, 1536, 2 << 10, 3 << 10, 4 << 10, 6 << 10, 8 << 10, 12 << 10, 16 << 10, 24 << 10, 32 << 10,
	48 << 10, 64 << 10, 96 << 10, 128 << 10, 192 << 10, 256 << 10, 384 << 10, 512 << 10, 768 << 10, 1 << 20,
}

// Buffers is a pool of gRPC's receive buffers. It draws those in use from the budget. gRPC
// drops the buffers of a stream that ends before it is read; they count until the garbage
// collector finds them.
type Buffers struct {
	pool   mem.BufferPool
	budget *memory.Budget
	mu     sync.Mutex
	lent   map[weak.Pointer[[]byte]]loan
}

type loan struct {
	bytes   int
	cleanup runtime.Cleanup
}

// NewBuffers returns a pool that draws from budget.
func NewBuffers(budget *memory.Budget) *Buffers {
	return &Buffers{
		pool: mem.NewTieredBufferPool(bufferSizes...), budget: budget, lent: map[weak.Pointer[[]byte]]loan{},
	}
}

// Get returns a buffer of that length.
func (b *Buffers) Get(length int) *[]byte {
	buffer := b.pool.Get(length)
	key := weak.Make(buffer)
	bytes := cap(*buffer)
	b.budget.Draw(bytes)
	l := loan{bytes: bytes, cleanup: runtime.AddCleanup(buffer, b.end, key)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lent[key] = l
	return buffer
}

// Put returns a buffer to the pool.
func (b *Buffers) Put(buffer *[]byte) {
	b.end(weak.Make(buffer))
	b.pool.Put(buffer)
}

// end ends the loan of a buffer that was returned, or dropped and collected.
func (b *Buffers) end(key weak.Pointer[[]byte]) {
	b.mu.Lock()
	l, lent := b.lent[key]
	delete(b.lent, key)
	b.mu.Unlock()
	if lent {
		l.cleanup.Stop()
		b.budget.Draw(-l.bytes)
	}
}
