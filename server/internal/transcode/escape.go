package transcode

import (
	"encoding/binary"
	"strconv"
	"unicode/utf8"
)

// AppendString appends s to dst as a JSON string in quotes. It is the only way
// in which a string becomes JSON here. Escaped is what RFC 8259, section 7,
// demands: quotation mark, backslash and the control characters below U+0020.
// s should be valid UTF-8; it is copied as it is.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, []byte(s))
	return append(dst, '"')
}

// escape holds for each byte what it is written as after a backslash: 0 where
// it stands for itself, 'u' where only its number will do.
var escape = func() (t [256]byte) {
	for c := range 0x20 {
		t[c] = 'u'
	}
	t['"'], t['\\'] = '"', '\\'
	t['\b'], t['\f'], t['\n'], t['\r'], t['\t'] = 'b', 'f', 'n', 'r', 't'
	return t
}()

// appendPiece appends s as a JSON string in quotes, sixteen bytes at a time. dst
// must have 6 bytes of capacity left for each of s, and 32 more.
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
	blankX, blankY := blanks(len(s))
	if needsEscape(x|blankX) || needsEscape(y|blankY) {
		return append(appendEscaped(out[:n], s), '"')
	}
	binary.LittleEndian.PutUint64(out[n:], x)
	binary.LittleEndian.PutUint64(out[n+8:], y)
	n += len(s)
	out[n] = '"'
	return out[:n+1]
}

// blanks returns what to blank out sixteen bytes with, of which the first n are
// of interest: with bytes of ones, which are no ASCII and need no escape.
func blanks(n int) (x, y uint64) {
	return ^uint64(0) << (8 * n), ^uint64(0) << (8 * max(n-8, 0))
}

// needsEscape tells whether any of the eight bytes in x must be escaped. Each
// term sets a byte's high bit where the byte is below 0x20, a quotation mark or
// a backslash: it underflows in the subtraction. Bytes from 0x80 are cleared,
// they never need it. A borrow can only add a false alarm behind a true one.
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

// digits holds the numbers from 00 to 99.
const digits = "00010203040506070809101112131415161718192021222324252627282930313233343536373839" +
	"40414243444546474849505152535455565758596061626364656667686970717273747576777879" +
	"8081828384858687888990919293949596979899"

// appendInt32 appends a number; those of up to four digits, as the numbers of
// lines are, without a loop.
func appendInt32(dst []byte, v int32) []byte {
	switch {
	case v < 0 || v >= 10000:
		return strconv.AppendInt(dst, int64(v), 10)
	case v < 10:
		return append(dst, '0'+byte(v))
	case v < 100:
		return append(dst, digits[2*v], digits[2*v+1])
	}
	high, low := v/100, v%100
	if high < 10 {
		return append(dst, '0'+byte(high), digits[2*low], digits[2*low+1])
	}
	return append(dst, digits[2*high], digits[2*high+1], digits[2*low], digits[2*low+1])
}

// appendNumber appends a finite number in the shortest form that reads back as
// the same one, as ECMAScript's Number::toString and encoding/json write it.
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

// validUTF8 is utf8.Valid, quicker where s is short and ASCII.
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
	blankX, blankY := blanks(len(rest))
	return (x&^blankX|y&^blankY)&high == 0 || utf8.Valid(s)
}
