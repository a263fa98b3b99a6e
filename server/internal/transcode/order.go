package transcode

import (
	"iter"
	"math/bits"
	"sync"
)

// order says which fields a message has and where they lie. A message whose fields may be in any
// order is walked once to note that, and then written field by field.
type order struct {
	at   *[maxFields]uint32 // the index of each field's value
	left uint64             // fields that are not written yet
	torn uint64             // lists that lie in several runs
}

// note notes the first value of each list in message m, and the last of each other field. Call
// forget once the message is written.
func (w *writer) note(m *message, b []byte) order {
	s := w.borrow()
	if s.depth == len(s.at) {
		s.at = append(s.at, [maxFields]uint32{})
	}
	at := &s.at[s.depth]
	s.depth++
	var left, torn, last uint64
	for i := 0; i < len(b); {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = varint(b, i-1)
			last = 0 // because the tag may be longer than hasTagAt expects
		}
		f := m.lookup(tag)
		if f == nil {
			i = skip(b, i, tag)
			last = 0
			continue
		}
		// This branches as little as possible: nothing predicts which field comes next.
		index := at[f.index%maxFields]
		if left&f.lists == 0 {
			index = uint32(i)
		}
		at[f.index%maxFields] = index
		torn |= left & f.lists &^ last
		left |= f.bit
		last = f.bit
		i = skipKnown(b, i, tag)
	}
	return order{at, left, torn}
}

func (w *writer) forget() { w.scratch.depth-- }

// next returns the next field to write and the index of its value.
func (o *order) next(m *message) (*field, int) {
	i := bits.TrailingZeros64(o.left)
	o.left &= o.left - 1
	return &m.fields[i], int(o.at[i%maxFields])
}

// next returns the index after the next tag of field f in the checked wire bytes b of message m,
// or -1 if there is none. A tag is at b[i:].
func (m *message) next(f *field, b []byte, i int) int {
	for i < len(b) {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = varint(b, i-1)
		}
		switch m.lookup(tag) {
		case f:
			return i
		case nil:
			i = skip(b, i, tag)
		default:
			i = skipKnown(b, i, tag)
		}
	}
	return -1
}

// occurrences yields the indexes after the tags of field f in the checked wire bytes b of
// message m.
func (m *message) occurrences(f *field, b []byte) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := m.next(f, b, 0); i >= 0; i = m.next(f, b, skipKnown(b, i, uint64(f.tag[0]))) {
			if !yield(i) {
				return
			}
		}
	}
}

// scratch is what a writer remembers of the messages around the place where it writes.
type scratch struct {
	entries []entry             // of the maps
	at      [][maxFields]uint32 // of the orders, 256 bytes for each level of nesting
	depth   int                 // how many of these are in use
}

var scratchPool = sync.Pool{New: func() any { return new(scratch) }}

func (w *writer) borrow() *scratch {
	if w.scratch == nil {
		w.scratch, _ = scratchPool.Get().(*scratch)
	}
	return w.scratch
}

// release clears the scratch space and returns it to the pool.
func (w *writer) release() {
	s := w.scratch
	if s == nil {
		return
	}
	const maxLevels = 128
	if cap(s.entries) <= 4*maxEntries && cap(s.at) <= maxLevels {
		clear(s.entries[:cap(s.entries)])
		scratchPool.Put(s)
	}
	w.scratch = nil
}
