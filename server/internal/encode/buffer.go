package encode

import (
	"slices"
	"sync"
)

// buffer is JSON, and the marks of its values, which the compressor for scopes takes.
type buffer struct {
	json []byte
	// marks has a bit for each byte of json's capacity, and one for its end; see
	// [transcode.Sink]. It is nil if the compressor takes no marks.
	marks []uint64
}

// held returns how much memory the buffer takes.
func (b *buffer) held() int { return cap(b.json) + 8*cap(b.marks) }

// keepEnd removes all but at most the last n bytes, and returns how many are left. Marks are
// moved in whole words.
func (b *buffer) keepEnd(n int) int {
	start := min((len(b.json)-min(n, len(b.json))+63)&^63, len(b.json))
	left := copy(b.json, b.json[start:])
	b.json = b.json[:left]
	if b.marks != nil {
		kept := copy(b.marks, b.marks[(start+63)/64:])
		clear(b.marks[kept:])
	}
	return left
}

// mark marks the values in the JSON from a position on, as well as they can be told from two
// bytes: keys are marked, too.
func (b *buffer) mark(from int) {
	if b.marks == nil {
		return
	}
	for i := max(1, from); i < len(b.json); i++ {
		before, c := b.json[i-1], b.json[i]
		if before == '"' || c == '"' || '0' <= before && before <= '9' && (c == ',' || c == '}') {
			b.marks[i/64] |= 1 << (i % 64)
		}
	}
}

// minBufferBytes is the capacity of a member's first buffer.
const minBufferBytes = 4 << 10

// buffers is a pool of buffers of 4, 6, 8, 10, 14, 20, 28, 40 … KiB. A member grows through
// all of them, so about a third of its memory is unused at most. They are size classes of
// the allocator.
type buffers struct {
	sizes  []int // ascending
	pools  []sync.Pool
	marked bool
}

func newBuffers(largest int, marked bool) buffers {
	sizes := []int{minBufferBytes, 6 << 10, 8 << 10}
	for unit := 2 << 10; 5*unit < largest; unit *= 2 {
		sizes = append(sizes, 5*unit, 7*unit)
	}
	beyond, _ := slices.BinarySearch(sizes, largest)
	sizes = append(sizes[:beyond], largest)
	return buffers{sizes: sizes, pools: make([]sync.Pool, len(sizes)), marked: marked}
}

// get returns an empty buffer with a capacity of at least n, or the largest.
func (p *buffers) get(n int) buffer {
	i, _ := slices.BinarySearch(p.sizes, n)
	i = min(i, len(p.sizes)-1)
	if b, ok := p.pools[i].Get().(*buffer); ok {
		clear(b.marks)
		return buffer{json: b.json[:0], marks: b.marks}
	}
	b := buffer{json: make([]byte, 0, p.sizes[i])}
	if p.marked {
		b.marks = make([]uint64, (p.sizes[i]+63)/64)
	}
	return b
}

func (p *buffers) put(b buffer) {
	if i, ok := slices.BinarySearch(p.sizes, cap(b.json)); ok {
		p.pools[i].Put(&b)
	}
}
