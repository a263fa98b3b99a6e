package encode

import (
	"math/bits"
	"sync"
)

// smallestBytes is the capacity of the buffer that a member begins with.
const smallestBytes = 4 << 10

// buffers lends buffers in sizes of 4 KiB, 8 KiB and so on, up to largest.
type buffers struct {
	largest int
	pools   [24]sync.Pool // of *[]byte, by doubling
}

// take returns an empty buffer with a capacity of at least n, or of largest.
func (p *buffers) take(n int) []byte {
	class, size := p.class(n)
	if b, ok := p.pools[class].Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, size)
}

// give takes a buffer back. Its bytes may be overwritten at once.
func (p *buffers) give(b []byte) {
	class, size := p.class(cap(b))
	if cap(b) == size {
		p.pools[class].Put(&b)
	}
}

func (p *buffers) class(n int) (class, size int) {
	class = bits.Len(uint(max(n-1, 0)) / smallestBytes)
	return class, min(smallestBytes<<class, p.largest)
}
