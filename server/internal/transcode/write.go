package transcode

import "encoding/binary"

// Room is the free capacity that a [Sink] must leave for the next piece of JSON: a key,
// pieceBytes of a string in the longest escaped form, and punctuation.
const Room = 1024

// pieceBytes is how much of a string is written between two checks of the room. It is
// constant, so that a scope is always cut into the same pieces.
const pieceBytes = 128

// Sink receives the JSON of a scope.
type Sink interface {
	// Drain is called when fewer than Room bytes of json's capacity are free. It returns
	// the slice to append to next, with at least Room bytes free: json in a larger buffer,
	// or an empty slice.
	Drain(json []byte) []byte
	// Marks returns a set of positions in the slice to append to, one bit for each, or nil.
	// Where a value of text begins, and where one of text or digits ends, is added to it.
	// Positions beyond it are left out.
	Marks() []uint64
}

// AppendTo appends the message to dst as a JSON object. It drains dst to the sink when it
// runs out of room, and returns the rest. It can't fail. dst may have any capacity.
func (c Checked) AppendTo(dst []byte, sink Sink) []byte {
	w := writer{sink: sink, marks: sink.Marks(), anyOrder: c.anyOrder, early: c.early}
	if c.notes != nil {
		w.notes = c.notes.words
	} else if c.anyOrder {
		w.searches = true
		w.notes = w.borrow().notes
	}
	dst = w.message(dst, c.root, c.wire)
	if w.searches {
		w.scratch.notes = w.notes
	}
	w.release()
	return dst
}

// writer is the state of one walk.
type writer struct {
	sink     Sink
	marks    []uint64
	anyOrder bool     // see Checked.anyOrder
	searches bool     // there are no Checked.notes
	notes    []uint32 // see order.go
	block    int      // the index of the next block, unless it searches
	early    bool     // see checker.early
	scratch  *scratch // nil until it is needed
}

func (w *writer) room(dst []byte) []byte {
	if cap(dst)-len(dst) < Room {
		return w.drain(dst)
	}
	return dst
}

func (w *writer) drain(dst []byte) []byte {
	dst = w.sink.Drain(dst)
	w.marks = w.sink.Marks()
	return dst
}

// mark adds a position to the marks.
func (w *writer) mark(position int) {
	if i := uint(position) / 64; i < uint(len(w.marks)) {
		w.marks[i] |= 1 << (uint(position) % 64)
	}
}

// message writes a message.
func (w *writer) message(dst []byte, m *message, b []byte) []byte {
	var o order
	if w.anyOrder {
		o = w.enter(m, b)
	}
	var written uint64
	sep := byte('{')
	for i := 0; ; {
		var f *field
		if o.noted {
			if o.left == 0 {
				break
			}
			f, i = w.next(&o, m)
		} else {
			if i == len(b) {
				break
			}
			tag := uint64(b[i])
			if i++; tag >= 0x80 {
				tag, i = varint(b, i-1)
			}
			if f = m.lookup(tag); f == nil {
				i = skip(b, i, tag)
				continue
			}
		}
		dst = w.room(dst)
		if gap := m.filled & (f.bit - 1) &^ written; gap != 0 {
			dst = w.absent(dst, m, gap, sep)
			sep = ','
			written |= gap
		}
		if w.early && f.bit >= m.early && m.early&^written != 0 {
			dst, sep = w.entries(dst, m, b, written, sep)
			written |= m.early
			dst = w.room(dst)
		}
		if f.kind == mapKind {
			if m.early == 0 {
				dst, sep = w.entries(dst, m, b, written, sep)
			}
			break
		}
		written |= f.bit
		dst = appendKey(dst, f, sep)
		sep = ','
		if f.list {
			dst, i = w.run(put(dst, '['), f, b, i)
			if o.noted {
				dst = w.furtherRuns(dst, o.block, m, f, b, i)
			}
			dst = put(dst, ']')
			continue
		}
		// v is the value, or its length.
		v := uint64(b[i])
		if i++; v >= 0x80 {
			v, i = varint(b, i-1)
		}
		switch f.kind {
		case stringKind:
			s := b[i : i+int(v)]
			i += len(s)
			if len(s) <= 16 && cap(s) >= 16 {
				x, y := binary.LittleEndian.Uint64(s[:8]), binary.LittleEndian.Uint64(s[8:16])
				if blank := &blanks[len(s)&31]; !needsEscape(x|blank[0]) && !needsEscape(y|blank[1]) {
					w.mark(len(dst) + 1)
					dst = appendShort(dst, x, y, len(s))
					w.mark(len(dst) - 1)
					continue
				}
			}
			dst = w.string(dst, s)
		case messageKind:
			end := i + int(v)
			dst = w.message(dst, f.child, b[i:end])
			i = end
		case int32Kind:
			dst = appendInt32(dst, int32(v))
			w.mark(len(dst))
		case boolKind:
			dst = appendBool(dst, v != 0)
		case mapKind: // handled above
		}
	}
	if o.noted {
		w.leave(o.block)
	}
	dst = w.room(dst)
	if gap := m.filled &^ written; gap != 0 {
		dst = w.absent(dst, m, gap, sep)
		sep = ','
	}
	return closeObject(dst, sep)
}

// run writes consecutive values of the list f. The first is at b[i:]. It returns the index after
// the last. dst must have room.
func (w *writer) run(dst []byte, f *field, b []byte, i int) ([]byte, int) {
	for {
		v := uint64(b[i])
		if i++; v >= 0x80 {
			v, i = varint(b, i-1)
		}
		value := b[i : i+int(v)]
		i += len(value)
		switch {
		case f.kind == stringKind:
			dst = w.string(dst, value)
		case f.child.numbers:
			dst = w.numbers(dst, f.child, value)
		default:
			dst = w.message(dst, f.child, value)
		}
		dst = w.room(dst)
		if !f.hasTagAt(b, i) {
			return dst, i
		}
		i += f.tagBytes
		dst = put(dst, ',')
	}
}

// string writes a value. dst must have room.
func (w *writer) string(dst, s []byte) []byte {
	w.mark(len(dst) + 1)
	dst = w.text(dst, s)
	w.mark(len(dst) - 1)
	return dst
}

// text writes s in quotes. dst must have room.
func (w *writer) text(dst, s []byte) []byte {
	if len(s) <= pieceBytes {
		return appendPiece(dst, s)
	}
	return w.longString(dst, s)
}

func (w *writer) longString(dst, s []byte) []byte {
	dst = append(dst, '"')
	for len(s) > 0 {
		n := min(len(s), pieceBytes)
		dst = appendEscaped(w.room(dst), s[:n])
		s = s[n:]
	}
	return append(w.room(dst), '"')
}

// absent writes the absent fields in the set.
func (w *writer) absent(dst []byte, m *message, set uint64, sep byte) []byte {
	for i := range m.fields {
		if set&(1<<i) == 0 {
			continue
		}
		f := &m.fields[i]
		dst = appendKey(w.room(dst), f, sep)
		sep = ','
		switch {
		case f.absent == null:
			dst = append(dst, "null"...)
		case f.kind == boolKind:
			dst = append(dst, "false"...)
		default:
			dst = append(dst, '0')
			w.mark(len(dst))
		}
	}
	return dst
}

// appendKey appends the field's key. dst must have room.
func appendKey(dst []byte, f *field, sep byte) []byte {
	n := len(dst)
	dst = dst[:n+maxKeyBytes]
	*(*[maxKeyBytes]byte)(dst[n:]) = f.key
	dst[n] = sep
	return dst[:n+f.keyBytes]
}

// put appends a byte. dst must have room.
func put(dst []byte, c byte) []byte {
	n := len(dst)
	dst = dst[:n+1]
	dst[n] = c
	return dst
}

// closeObject ends an object. Sep is the separator of its next key.
func closeObject(dst []byte, sep byte) []byte {
	if sep == '{' {
		dst = put(dst, '{')
	}
	return put(dst, '}')
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, "true"...)
	}
	return append(dst, "false"...)
}
