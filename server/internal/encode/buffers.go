package encode

import (
	"slices"
	"sync"
)

// smallestBytes is the capacity of the buffer that a member begins with.
const smallestBytes = 4 << 10

// buffers lends buffers of 4, 6, 8, 10, 14, 20, 28, 40 … KiB, up to a largest
// one. A member takes one after the other as it grows, so that of what it holds
// about a third is unused at most; the allocator has all of them without a rest.
type buffers struct {
	sizes []int // ascending
	pools []sync.Pool
}

func newBuffers(largest int) buffers {
	sizes := []int{smallestBytes, 6 << 10, 8 << 10}
	for unit := 2 << 10; 5*unit < largest; unit *= 2 {
		sizes = append(sizes, 5*unit, 7*unit)
	}
	beyond, _ := slices.BinarySearch(sizes, largest)
	sizes = append(sizes[:beyond], largest)
	return buffers{sizes: sizes, pools: make([]sync.Pool, len(sizes))}
}

// take returns an empty buffer with a capacity of at least n, or the largest.
func (p *buffers) take(n int) []byte {
	i, _ := slices.BinarySearch(p.sizes, n)
	i = min(i, len(p.sizes)-1)
	if b, ok := p.pools[i].Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, p.sizes[i])
}

// give takes a buffer back. Its bytes may be overwritten at once.
func (p *buffers) give(b []byte) {
	if i, ok := slices.BinarySearch(p.sizes, cap(b)); ok {
		p.pools[i].Put(&b)
	}
}
