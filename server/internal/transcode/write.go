package transcode

import "encoding/binary"

// Room is how many bytes a [Sink] must leave free for the next piece of JSON:
// a key, pieceBytes of a string in its longest escaped form, and punctuation.
const Room = 1024

// pieceBytes is how much of a string is written between two looks at the room
// left. It does not depend on how much room there is, so that the same scope is
// always cut into the same pieces.
const pieceBytes = 128

// Sink takes the JSON that a scope is written as.
type Sink interface {
	// Drain is called when fewer than Room bytes of JSON's capacity are left.
	// It takes what has been written and returns the slice to go on appending
	// to, with Room bytes or more of free capacity. That may be the same JSON in
	// a larger buffer, or an empty one.
	Drain(json []byte) []byte
}

// AppendTo appends the message as one JSON object to dst, which goes to the
// sink whenever it runs out of room, and returns what the sink has not got. It
// can't fail. dst may have any capacity.
func (c Checked) AppendTo(dst []byte, sink Sink) []byte {
	w := writer{sink: sink}
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
	scratch *[]entry // of maps; nil until the first one
}

func (w *writer) room(dst []byte) []byte {
	if cap(dst)-len(dst) < Room {
		return w.sink.Drain(dst)
	}
	return dst
}

// inOrder writes a message whose fields come by ascending number, and each list
// in one run.
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
		if f.kind == mapKind {
			dst, sep = w.entries(dst, m, f, b, written, sep)
			break
		}
		written |= f.bit
		dst = appendKey(dst, f, sep)
		sep = ','
		if f.list {
			dst, i = w.run(dst, f, b, i)
			continue
		}
		// v is the value, or the length of the value behind it.
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
		case mapKind: // is written above
		}
	}
	dst = w.room(dst)
	if gap := m.filled &^ written; gap != 0 {
		dst = w.absent(dst, m, gap, sep)
		sep = ','
	}
	return closeObject(dst, sep)
}

// run writes the run of values of the list f of which the first lies at b[i:],
// and returns the index behind the last. dst must have room.
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
		if !f.at(b, i) {
			return put(dst, ']'), i
		}
		dst = put(dst, ',')
		i += f.tagBytes
	}
}

// string writes s in quotes. It needs room for a piece when it is called.
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

// absent writes the fields of the set, none of which is on the wire.
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

// closeObject ends an object; sep is what its next key would have begun with.
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
