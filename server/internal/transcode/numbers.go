package transcode

// Most messages of a scope are ranges of lines. Messages that only have numbers, written even
// if they are zero, are walked without looking up fields. Unusual ones are left to the general
// walks.

// maxNumbers limits the fields of such a message, so that it fits into Room.
const maxNumbers = 16

// plainNumbers reports whether b is well-formed, and its fields are known, unique and in order.
func (m *message) plainNumbers(b []byte) bool {
	i := 0
	for j := range m.fields {
		if i == len(b) {
			return true
		}
		if b[i] != m.fields[j].tag[0] {
			continue
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
	return i == len(b)
}

// numbers writes a message of numbers. dst must have room.
func (w *writer) numbers(dst []byte, m *message, b []byte) []byte {
	start := len(dst)
	i := 0
	sep := byte('{')
	for j := range m.fields {
		f := &m.fields[j]
		var v uint64
		if i < len(b) && b[i] == f.tag[0] {
			v = uint64(b[i+1])
			switch i += 2; {
			case v < 0x80:
			case b[i] < 0x80:
				v = v&0x7f | uint64(b[i])<<7
				i++
			default:
				v, i = varint(b, i-1)
			}
		}
		dst = appendInt32(appendKey(dst, f, sep), int32(v))
		sep = ','
	}
	if i != len(b) { // unusual
		return w.inOrder(dst[:start], m, b)
	}
	return put(dst, '}')
}
