package encode

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/scopegate/scopegate/server/internal/deflate"
)

// header is the header of a gzip member (RFC 1952, section 2.3): deflate, no flags, no time,
// so that equal JSON gives equal bytes.
var header = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}

// Body is compressed JSON without its head and tail: deflate blocks that refer only to each
// other and end at a byte boundary.
type Body struct {
	Segments

	rawBytes int64
	sum      uint32 // CRC-32 of the JSON
}

// RawBytes returns the length of the JSON.
func (b *Body) RawBytes() int64 { return b.rawBytes }

// File returns a gzip member of head, body and tail. It shares the body, which can be in any
// number of files.
func (b *Body) File(head, tail []byte) *File {
	sum := crc32.Update(joinSums(crc32.ChecksumIEEE(head), b.sum, b.rawBytes), crc32.IEEETable, tail)
	isize := uint32(int64(len(head)) + b.rawBytes + int64(len(tail))) // modulo 2^32
	back := deflate.AppendStored(nil, tail, true)
	back = binary.LittleEndian.AppendUint32(back, sum)
	return &File{
		Body:  b,
		front: deflate.AppendStored(bytes.Clone(header), head, false),
		back:  binary.LittleEndian.AppendUint32(back, isize),
	}
}

// File is one gzip member. Its head and tail stay in memory when the body is spilled.
type File struct {
	*Body

	front, back []byte
}

// Len returns the length of the gzip member.
func (f *File) Len() int { return len(f.front) + f.Body.Len() + len(f.back) }

// NewReader returns a reader of the gzip member; see [Segments.NewReader].
func (f *File) NewReader() io.Reader {
	return io.MultiReader(bytes.NewReader(f.front), f.Body.NewReader(), bytes.NewReader(f.back))
}

// joinSums returns the CRC-32 of two texts from the CRC-32 of each and the length of the
// second. A CRC-32 is the remainder of a polynomial over GF(2): each bit of b multiplies a's
// by x, and b's own is added.
func joinSums(a, b uint32, bBytes int64) uint32 {
	shift, square := uint32(1)<<31, uint32(1)<<23 // 1, and x^8 for one byte
	for ; bBytes > 0; bBytes >>= 1 {
		if bBytes&1 == 1 {
			shift = multiply(shift, square)
		}
		square = multiply(square, square)
	}
	return multiply(a, shift) ^ b
}

// multiply multiplies two polynomials modulo that of CRC-32. Bit 31 is the coefficient of
// x^0, as in [crc32.IEEE].
func multiply(a, b uint32) uint32 {
	var product uint32
	for ; a != 0; a <<= 1 {
		if a>>31 == 1 {
			product ^= b
		}
		carry := b & 1
		b >>= 1
		if carry == 1 {
			b ^= crc32.IEEE
		}
	}
	return product
}
