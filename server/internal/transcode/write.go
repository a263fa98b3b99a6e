package transcode

import (
	"encoding/binary"
	"iter"
)

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
}

// AppendTo appends the message to dst as a JSON object. It drains dst to the sink when it
// runs out of room, and returns the rest. It can't fail. dst may have any capacity.
func (c Checked) AppendTo(dst []byte, sink Sink) []byte {
	w := writer{sink: sink, early: c.early}
	if c.ordered {
		dst = w.inOrder(dst, c.root, c.wire)
	} else {
		dst = w.disordered(dst, c.root, c.wire)
	}
	w.release()
	return dst
}

// writer is the state of one walk.
type writer struct {
	sink    Sink
	early   bool     // see checker
	scratch *[]entry // for maps; nil until the first
}

func (w *writer) room(dst []byte) []byte {
	if cap(dst)-len(dst) < Room {
		return w.sink.Drain(dst)
	}
	return dst
}

// inOrder writes a message whose fields are in ascending order, each list in one run.
func (w *writer) inOrder(dst []byte, m *message, b []byte) []byte {
	var written uint64
	sep := byte('{')
	for i := 0; i < len(b); {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			tag, i = varint(b, i-1)
		}
		f := m.lookup(tag)
		if f == nil {
			i = skip(b, i, tag)
			continue
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
			dst, i = w.run(dst, f, b, i)
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
					dst = appendShort(dst, x, y, len(s))
					continue
				}
			}
			dst = w.string(dst, s)
		case messageKind:
			end := i + int(v)
			dst = w.inOrder(dst, f.child, b[i:end])
			i = end
		case int32Kind:
			dst = appendInt32(dst, int32(v))
		case boolKind:
			dst = appendBool(dst, v != 0)
		case mapKind: // handled above
		}
	}
	dst = w.room(dst)
	if gap := m.filled &^ written; gap != 0 {
		dst = w.absent(dst, m, gap, sep)
		sep = ','
	}
	return closeObject(dst, sep)
}

// run writes consecutive values of the list f, the first at b[i:], and returns the index after
// the last. dst must have room.
func (w *writer) run(dst []byte, f *field, b []byte, i int) ([]byte, int) {
	dst = put(dst, '[')
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
			dst = w.inOrder(dst, f.child, value)
		}
		dst = w.room(dst)
		if !f.hasTagAt(b, i) {
			return put(dst, ']'), i
		}
		dst = put(dst, ',')
		i += f.tagBytes
	}
}

// string writes s in quotes. dst must have room.
func (w *writer) string(dst, s []byte) []byte {
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

// disordered writes a message whose fields may be in any order, with one walk per field.
// Generated encoders do not write such messages.
func (w *writer) disordered(dst []byte, m *message, b []byte) []byte {
	var written uint64
	sep := byte('{')
	for j := range m.fields {
		f := &m.fields[j]
		if f.bit == m.early || f.kind == mapKind && m.early == 0 {
			dst, sep = w.entries(dst, m, b, written, sep)
		}
		if f.kind == mapKind {
			continue
		}
		n, last := 0, -1
		for i := range m.occurrences(f, b) {
			n, last = n+1, i
			if !f.list {
				continue
			}
			dst = w.room(dst)
			if n == 1 {
				dst = append(appendKey(dst, f, sep), '[')
			} else {
				dst = append(dst, ',')
			}
			dst = w.value(dst, f, b, i)
		}
		switch {
		case n == 0 && m.filled&(1<<j) == 0:
			continue
		case n == 0:
			dst = w.absent(dst, m, 1<<j, sep)
		case f.list:
			dst = append(w.room(dst), ']')
		default:
			dst = appendKey(w.room(dst), f, sep)
			dst = w.value(dst, f, b, last)
		}
		written |= 1 << j
		sep = ','
	}
	return closeObject(w.room(dst), sep)
}

// value writes the value of f at b[i:].
func (w *writer) value(dst []byte, f *field, b []byte, i int) []byte {
	if f.kind == stringKind || f.kind == messageKind {
		s, _ := bytesAt(b, i)
		if f.kind == messageKind {
			return w.disordered(dst, f.child, s)
		}
		return w.string(dst, s)
	}
	v, _ := varint(b, i)
	if f.kind == boolKind {
		return appendBool(dst, v != 0)
	}
	return appendInt32(dst, int32(v))
}

// occurrences yields the indexes after the tags of field f in the checked wire bytes b of
// message m.
func (m *message) occurrences(f *field, b []byte) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; i < len(b); {
			tag, value := varint(b, i)
			if m.lookup(tag) == f && !yield(value) {
				return
			}
			i = skip(b, value, tag)
		}
	}
}
