package transcode

// Most messages of a scope are ranges of lines. Messages that only have numbers, written even
// if they are zero, are written in one walk, whatever the order of their fields. Unusual ones
// are left to the general walks.

// maxNumbers limits the fields of such a message, so that it fits into Room.
const maxNumbers = 16

// plainNumbers reports whether b is well-formed, and its fields are known.
func (m *message) plainNumbers(b []byte) bool {
	for i := 0; i < len(b); {
		if b[i] >= 0x80 || m.byTag[b[i]] == nil {
			return false
		}
		i++
		switch {
		case i < len(b) && b[i] < 0x80:
			i++
		case i+1 < len(b) && b[i+1] < 0x80:
			i += 2
		default:
			if _, i = varint(b, i); i < 0 {
				return false
			}
		}
	}
	return true
}

// numbers writes a message of numbers. dst must have room.
func (w *writer) numbers(dst []byte, m *message, b []byte) []byte {
	var values [maxNumbers]int32
	for i := 0; i < len(b); {
		tag := b[i]
		if tag >= 0x80 || m.byTag[tag] == nil { // unusual
			return w.message(dst, m, b)
		}
		v := uint64(b[i+1])
		switch i += 2; {
		case v < 0x80:
		case b[i] < 0x80:
			v = v&0x7f | uint64(b[i])<<7
			i++
		default:
			v, i = varint(b, i-1)
		}
		values[m.byTag[tag].index&(maxNumbers-1)] = int32(v)
	}
	sep := byte('{')
	for j := range m.fields {
		dst = appendInt32(appendKey(dst, &m.fields[j], sep), values[j&(maxNumbers-1)])
		w.mark(len(dst))
		sep = ','
	}
	return put(dst, '}')
}
