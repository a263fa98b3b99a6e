package transcode

import "google.golang.org/protobuf/encoding/protowire"

// varint reads the varint at b[i:], of any length. It returns the index behind
// it, or -1 where there is none. The walks read a varint of one byte, as most
// are, themselves; those of two are most of the others.
func varint(b []byte, i int) (uint64, int) {
	if i+1 < len(b) && b[i] >= 0x80 && b[i+1] < 0x80 {
		return uint64(b[i]&0x7f) | uint64(b[i+1])<<7, i + 2
	}
	v, n := protowire.ConsumeVarint(b[i:])
	if n < 0 {
		return 0, -1
	}
	return v, i + n
}

// bytesAt reads a length at b[i:] and returns the bytes behind it and the index
// behind those, or -1 where b is too short for them.
func bytesAt(b []byte, i int) ([]byte, int) {
	n, i := varint(b, i)
	if i < 0 || n > uint64(len(b)-i) {
		return nil, -1
	}
	end := i + int(n)
	return b[i:end], end
}

// skip returns the index behind the value of a tag that is not known, or -1
// where the value is malformed.
func skip(b []byte, i int, tag uint64) int {
	number := tag >> 3
	if number == 0 || number > uint64(protowire.MaxValidNumber) {
		return -1
	}

	n := protowire.ConsumeFieldValue(protowire.Number(number), protowire.Type(tag&7), b[i:])
	if n < 0 {
		return -1
	}
	return i + n
}
