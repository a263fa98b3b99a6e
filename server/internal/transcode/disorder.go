package transcode

import "iter"

// disordered writes a message whose fields may come in any order. It looks for
// each field in turn, so it takes as many walks over the message as that has
// fields: no encoder writes such messages, but whoever does is served.
func (w *writer) disordered(dst []byte, m *message, b []byte) []byte {
	var written uint64
	sep := byte('{')
	for j := range m.fields {
		f := &m.fields[j]
		if f.kind == mapKind {
			dst, sep = w.entries(dst, m, f, b, written, sep)
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

// value writes the value of f that lies at b[i:].
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

// occurrences ranges over the places of field f in the wire bytes b of message
// m: the indexes behind its tags. b must have been checked.
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
