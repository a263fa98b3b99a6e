package encode

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
)

// header begins a gzip member (RFC 1952, section 2.3): deflate, no flags, no
// time, operating system unknown. The same JSON shall give the same bytes.
var header = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}

// Body is JSON that is compressed and complete except for what stands in front of
// it and behind it: deflate blocks that refer back to nothing but each other and
// end at a byte border. [Body.File] puts the rest around them.
type Body struct {
	Segments

	rawBytes int64
	sum      uint32 // CRC-32 of the JSON
}

// RawBytes returns the length of the JSON.
func (b *Body) RawBytes() int64 { return b.rawBytes }

// File returns one gzip member that holds head, the body and tail. It copies and
// compresses nothing of the body, which can be in any number of files.
func (b *Body) File(head, tail []byte) *File {
	sum := crc32.Update(joinSums(crc32.ChecksumIEEE(head), b.sum, b.rawBytes), crc32.IEEETable, tail)
	isize := uint32(int64(len(head)) + b.rawBytes + int64(len(tail))) // modulo 2^32, as RFC 1952 has it
	back := appendStored(nil, tail, true)
	back = binary.LittleEndian.AppendUint32(back, sum)
	return &File{
		Body:  b,
		front: appendStored(bytes.Clone(header), head, false),
		back:  binary.LittleEndian.AppendUint32(back, isize),
	}
}

// File is one gzip member (RFC 1952). Its memory is that of its body, except for
// the head and the tail, which stay in memory when the body is spilled.
type File struct {
	*Body

	front, back []byte
}

// Len returns the length of the gzip member.
func (f *File) Len() int { return len(f.front) + f.Body.Len() + len(f.back) }

// NewReader returns a reader of the gzip member, on the terms of
// [Segments.NewReader].
func (f *File) NewReader() io.Reader {
	return io.MultiReader(bytes.NewReader(f.front), f.Body.NewReader(), bytes.NewReader(f.back))
}

// appendStored appends b as deflate blocks that are not compressed (RFC 1951,
// section 3.2.4), the last of which ends the stream if final is set. dst ends at
// a byte border, and so does what is returned.
func appendStored(dst, b []byte, final bool) []byte {
	for {
		n := min(len(b), math.MaxUint16)
		var kind byte
		if final && n == len(b) {
			kind = 1
		}
		dst = append(dst, kind)
		dst = binary.LittleEndian.AppendUint16(dst, uint16(n))
		dst = binary.LittleEndian.AppendUint16(dst, ^uint16(n))
		dst = append(dst, b[:n]...)
		if b = b[n:]; len(b) == 0 {
			return dst
		}
	}
}
