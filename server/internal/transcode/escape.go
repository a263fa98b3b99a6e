package transcode

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// AppendString appends s to dst as a JSON string. It escapes only what RFC 8259, section 7,
// requires: quotation marks, backslashes and control characters below U+0020. s should be valid
// UTF-8.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, []byte(s))
	return append(dst, '"')
}

// escape has each byte's character after the backslash: 0 if it needs no escape, 'u' for \u00XX.
var escape = func() (t [256]byte) {
	for c := range 0x20 {
		t[c] = 'u'
	}
	t['"'], t['\\'] = '"', '\\'
	t['\b'], t['\f'], t['\n'], t['\r'], t['\t'] = 'b', 'f', 'n', 'r', 't'
	return t
}()

// appendPiece appends s as a JSON string, sixteen bytes at a time. dst must have a free capacity
// of 6 bytes for each of s, and 32 more.
func appendPiece(dst, s []byte) []byte {
	n := len(dst)
	out := dst[:cap(dst)]
	out[n] = '"'
	n++
	for len(s) > 16 {
		x, y := binary.LittleEndian.Uint64(s), binary.LittleEndian.Uint64(s[8:])
		if needsEscape(x) || needsEscape(y) {
			return append(appendEscaped(out[:n], s), '"')
		}
		binary.LittleEndian.PutUint64(out[n:], x)
		binary.LittleEndian.PutUint64(out[n+8:], y)
		n += 16
		s = s[16:]
	}
	if cap(s) < 16 {
		return append(appendEscaped(out[:n], s), '"')
	}
	x, y := binary.LittleEndian.Uint64(s[:8]), binary.LittleEndian.Uint64(s[8:16])
	blank := &blanks[len(s)&31]
	if needsEscape(x|blank[0]) || needsEscape(y|blank[1]) {
		return append(appendEscaped(out[:n], s), '"')
	}
	binary.LittleEndian.PutUint64(out[n:], x)
	binary.LittleEndian.PutUint64(out[n+8:], y)
	n += len(s)
	out[n] = '"'
	return out[:n+1]
}

// appendShort appends the first n of sixteen bytes in quotes. dst must have room.
func appendShort(dst []byte, x, y uint64, n int) []byte {
	at := len(dst)
	out := dst[at : at+18]
	out[0] = '"'
	binary.LittleEndian.PutUint64(out[1:], x)
	binary.LittleEndian.PutUint64(out[9:], y)
	dst = dst[:at+n+2]
	dst[at+n+1] = '"'
	return dst
}

// blanks are masks for all but the first n of sixteen bytes: bytes of ones, which are not ASCII
// and need no escape.
var blanks = func() (t [32][2]uint64) {
	for n := range t {
		t[n] = [2]uint64{^uint64(0) << (8 * n), ^uint64(0) << (8 * max(n-8, 0))}
	}
	return t
}()

// needsEscape reports whether any of the eight bytes in x must be escaped. Each term sets the
// high bit of bytes that underflow: below 0x20, a quotation mark or a backslash. Bytes from 0x80
// never need an escape and are cleared. A borrow can only add a false alarm after a true one.
func needsEscape(x uint64) bool {
	const ones = 0x0101010101010101
	const high = 0x8080808080808080
	control := x - ones*0x20
	quote := (x ^ ones*'"') - ones
	backslash := (x ^ ones*'\\') - ones
	return (control|quote|backslash)&^x&high != 0
}

// appendEscaped appends the inside of a JSON string.
func appendEscaped(dst, s []byte) []byte {
	for len(s) >= 8 {
		x := binary.LittleEndian.Uint64(s)
		if needsEscape(x) {
			dst = appendEscapedBytes(dst, s[:8])
		} else {
			dst = binary.LittleEndian.AppendUint64(dst, x)
		}
		s = s[8:]
	}
	return appendEscapedBytes(dst, s)
}

func appendEscapedBytes(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	for _, c := range s {
		switch e := escape[c]; e {
		case 0:
			dst = append(dst, c)
		case 'u':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, '\\', e)
		}
	}
	return dst
}

// digits are the numbers from 00 to 99.
const digits = "00010203040506070809101112131415161718192021222324252627282930313233343536373839" +
	"40414243444546474849505152535455565758596061626364656667686970717273747576777879" +
	"8081828384858687888990919293949596979899"

// pairs are the digits as little-endian numbers.
var pairs = func() (t [100]uint16) {
	for i := range t {
		t[i] = binary.LittleEndian.Uint16([]byte(digits[2*i:]))
	}
	return t
}()

// digitCounts has, by the bit length of v < 10000, a number to add to v so that the bits from the
// 16th count its decimal digits.
var digitCounts = [16]uint32{
	1 << 16, 1 << 16, 1 << 16, 1 << 16, 2<<16 - 10, 2 << 16, 2 << 16, 3<<16 - 100, 3 << 16, 3 << 16,
	4<<16 - 1000, 4 << 16, 4 << 16, 4 << 16, 4 << 16, 4 << 16,
}

// appendInt32 appends a number. Those of up to four digits, like most line numbers, need no
// branch by their length. dst must have room.
func appendInt32(dst []byte, v int32) []byte {
	u := uint32(v)
	if u >= 10000 {
		return strconv.AppendInt(dst, int64(v), 10)
	}
	four := uint32(pairs[u/100]) | uint32(pairs[u%100])<<16
	n := (u + digitCounts[bits.Len32(u)&15]) >> 16
	binary.LittleEndian.PutUint32(dst[len(dst):len(dst)+4], four>>((32-8*n)&31))
	return dst[:len(dst)+int(n)]
}

// appendNumber appends a finite number in the shortest exact form, like ECMAScript's
// Number::toString and encoding/json.
func appendNumber(dst []byte, f float64) []byte {
	abs := f
	if abs < 0 {
		abs = -abs
	}
	if abs == 0 || abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if n := len(dst); dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// shortASCII reports whether s has up to 16 bytes, a capacity of 16, and only ASCII. It is small
// enough to be inlined.
func shortASCII(s []byte) bool {
	if len(s) > 16 || cap(s) < 16 {
		return false
	}
	const high = 0x8080808080808080
	blank := &blanks[len(s)&31]
	x, y := binary.LittleEndian.Uint64(s[:8]), binary.LittleEndian.Uint64(s[8:16])
	return (x&^blank[0]|y&^blank[1])&high == 0
}

// validUTF8 is utf8.Valid, but faster for short ASCII.
func validUTF8(s []byte) bool {
	const high = 0x8080808080808080
	rest := s
	for len(rest) > 16 {
		if (binary.LittleEndian.Uint64(rest)|binary.LittleEndian.Uint64(rest[8:]))&high != 0 {
			return utf8.Valid(s)
		}
		rest = rest[16:]
	}
	if cap(rest) < 16 {
		return utf8.Valid(rest)
	}
	x, y := binary.LittleEndian.Uint64(rest[:8]), binary.LittleEndian.Uint64(rest[8:16])
	blank := &blanks[len(rest)&31]
	return (x&^blank[0]|y&^blank[1])&high == 0 || utf8.Valid(s)
}
