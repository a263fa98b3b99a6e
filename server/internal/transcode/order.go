package transcode

import (
	"iter"
	"math"
	"math/bits"
	"slices"
	"sync"
)

// The fields of a message may lie in any order, but are written in ascending order. To look for them
// takes as long as to check them. So the check notes where they lie, and the writer follows the
// notes. Scopes whose fields can be written as they lie, as most encoders write them, have none.
//
// Each message has a block of notes. If its fields can be written as they lie, and there are no
// notes on messages in it, the block is a single word, 0. Otherwise its words are:
//
//	0     the index behind the blocks of all messages in this one
//	1, 2  the set of its fields
//
// and for each field, where its slots say:
//
//	value  the index of its value in the message: of a list the first one, or else the last one
//	block  the index of the block of that value, if it is a message
//	last   of a list: the index of the last link, or 0 if the list lies in one run
//
// Links have the further runs of a list, in a circle:
//
//	0  the index of the run's first value in the message
//	1  the index of the block of that value, if it is a message
//	2  the index of the next link, or for the last link of the first one
//
// Blocks and links lie in the order in which the check comes to them. So the blocks of a run follow
// each other, each with those of the messages in it behind it.

const (
	blockHead = 3
	linkWords = 3
	wordBytes = 4
	// unlinked is in place of the last link if the further runs are to be searched.
	unlinked = math.MaxUint32
)

// notes are the notes on a scope.
type notes struct {
	words []uint32
	max   int // words
}

// slots say where a block has the notes on a field. 0 is the slot of what a field does not have:
// that word is written only when the block ends.
type slots struct {
	value, block, last uint8
}

// lay gives field f its slots behind the words that a block has so far. It returns how many the
// block has then.
func (s *slots) lay(f *field, words int) int {
	if f.kind == mapKind {
		return words // the writer searches for its entries
	}
	s.value = uint8(words)
	words++
	if f.kind == messageKind {
		s.block = uint8(words)
		words++
	}
	if f.list {
		s.last = uint8(words)
		words++
	}
	return words
}

// newNotes returns empty notes on a scope of that many bytes. They take about as many bytes as a
// real scope. Those of the smallest messages would take twenty times as many, so there is a limit.
func newNotes(scopeBytes int) *notes {
	const maxRatio, least = 2, 4 << 10
	n := getNotes(scopeBytes / wordBytes)
	n.max = (least + maxRatio*scopeBytes) / wordBytes
	return n
}

// notesPools have notes by the bit length of their capacity, since those of a small scope may be
// held for long.
var notesPools [20]sync.Pool

// getNotes returns empty notes with room for that many words.
func getNotes(words int) *notes {
	const least = 6
	size := max(bits.Len(uint(words)), least)
	if size < len(notesPools) {
		if n, ok := notesPools[size].Get().(*notes); ok {
			return n
		}
	}
	return &notes{words: make([]uint32, 0, 1<<size-1)}
}

// free returns the notes to their pool.
func (n *notes) free() {
	if size := bits.Len(uint(cap(n.words))); size < len(notesPools) {
		n.words = n.words[:0]
		notesPools[size].Put(n)
	}
}

// begin begins the block of message m and returns its index. It returns false if that would be too
// many notes.
func (n *notes) begin(m *message) (int, bool) {
	block := len(n.words)
	if !n.extend(m.words) {
		return 0, false
	}
	return block, true
}

// extend adds words. It returns false if that would be too many.
func (n *notes) extend(words int) bool {
	length := len(n.words) + words
	if length > cap(n.words) && !n.grow(length) {
		return false
	}
	n.words = n.words[:length]
	return true
}

func (n *notes) grow(words int) bool {
	if words > n.max {
		return false
	}
	larger := getNotes(words)
	larger.words = append(larger.words, n.words...)
	n.words, larger.words = larger.words, n.words
	larger.free()
	return true
}

// value notes in a block that the value of field f is at index i. If it is a message, its block is
// the next one.
func (n *notes) value(block int, f *field, i int) {
	words := n.words[block:]
	words[f.slots.value] = uint32(i)
	words[f.slots.block] = uint32(len(n.words))
	words[f.slots.last] = 0
}

// link notes in a block that another run of the list f begins at index i. It returns false if there
// are too many notes.
func (n *notes) link(block int, f *field, i int) bool {
	link := len(n.words)
	if !n.extend(linkWords) {
		return false
	}
	last := &n.words[block+int(f.slots.last)]
	next := link
	if *last != 0 {
		next = int(n.words[*last+2])
		n.words[*last+2] = uint32(link)
	}
	n.words[link], n.words[link+1], n.words[link+2] = uint32(i), uint32(link+linkWords), uint32(next)
	*last = uint32(link)
	return true
}

// end ends the block of message m with its set of fields. Ascending means that they can be written
// as they lie.
func (n *notes) end(block int, m *message, present uint64, ascending bool) {
	if ascending && len(n.words) == block+m.words {
		n.words[block] = 0
		n.words = n.words[:block+1]
		return
	}
	n.words[block] = uint32(len(n.words))
	n.words[block+1], n.words[block+2] = uint32(present), uint32(present&^noted>>32)
}

// order says which fields a message has and where they lie.
type order struct {
	noted bool   // in a block; otherwise they are written as they lie
	block int    // its index
	left  uint64 // fields that are not written yet
}

// enter returns the order of message m, whose block is the next one. Call leave once the message is
// written, if it has a block.
func (w *writer) enter(m *message, b []byte) order {
	if w.searches {
		return w.search(m, b)
	}
	words := w.notes[w.block:]
	if words[0] == 0 {
		w.block++
		return order{}
	}
	return order{true, w.block, uint64(words[1]) | uint64(words[2])<<32}
}

func (w *writer) leave(block int) {
	if w.searches {
		w.notes = w.notes[:block]
		return
	}
	w.block = int(w.notes[block])
}

// search is enter for a scope without notes: it makes the block, behind those of the messages around
// this one.
func (w *writer) search(m *message, b []byte) order {
	block := len(w.notes)
	w.notes = slices.Grow(w.notes, m.words)[:block+m.words]
	words := w.notes[block:]
	clear(words)
	var present, last uint64
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
		if present&f.lists == 0 {
			words[f.slots.value] = uint32(i)
		} else if last != f.bit {
			words[f.slots.last] = unlinked
		}
		present |= f.bit
		last = f.bit
		i = skipKnown(b, i, tag)
	}
	return order{true, block, present}
}

// next returns the next field of message m to write and the index of its value. If that is a
// message, its block is the next one.
func (w *writer) next(o *order, m *message) (*field, int) {
	f := &m.fields[bits.TrailingZeros64(o.left)]
	o.left &= o.left - 1
	words := w.notes[o.block:]
	w.block = int(words[f.slots.block])
	return f, int(words[f.slots.value])
}

// furtherRuns writes the runs of the list f in message m behind the first, which ends at b[i:].
func (w *writer) furtherRuns(dst []byte, block int, m *message, f *field, b []byte, i int) []byte {
	last := w.notes[block+int(f.slots.last)]
	switch last {
	case 0:
		return dst
	case unlinked:
		for i = m.next(f, b, i); i >= 0; i = m.next(f, b, i) {
			dst, i = w.run(put(dst, ','), f, b, i)
		}
		return dst
	}
	for link := last; ; {
		link = w.notes[link+2]
		w.block = int(w.notes[link+1])
		dst, _ = w.run(put(dst, ','), f, b, int(w.notes[link]))
		if link == last {
			return dst
		}
	}
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
	entries []entry  // of the maps
	notes   []uint32 // blocks, if the scope has no notes
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
	const maxWords = 8 << 10
	if cap(s.entries) <= 4*maxEntries && cap(s.notes) <= maxWords {
		clear(s.entries[:cap(s.entries)])
		scratchPool.Put(s)
	}
	w.scratch = nil
}
