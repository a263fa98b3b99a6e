package gosym

import "encoding/binary"

// locations are the sections with the locations of variables: .debug_loclists of DWARF
// 5, with .debug_addr that it refers to, and .debug_loc of DWARF 4.
type locations struct {
	loclists []byte
	loc      []byte
	addr     []byte
	order    binary.ByteOrder
}

// Entries of a location list (DWARF 5, section 7.7.3).
const (
	lleEndOfList       = 0x00
	lleBaseAddressx    = 0x01
	lleStartxEndx      = 0x02
	lleStartxLength    = 0x03
	lleOffsetPair      = 0x04
	lleDefaultLocation = 0x05
	lleBaseAddress     = 0x06
	lleStartEnd        = 0x07
	lleStartLength     = 0x08
)

// list appends to dst the PC ranges, end exclusive, for which the location list at
// offset locates the whole value. A truncated or malformed list counts up to the first
// error.
func (l *locations) list(dst [][2]uint64, u *unit, offset int64, check *checkpoint) ([][2]uint64, error) {
	section := l.loc
	if u.hasLoclists {
		section = l.loclists
	}
	if offset < 0 || offset >= int64(len(section)) || u.addrBytes != 4 && u.addrBytes != 8 {
		return dst, nil
	}
	r := locationReader{rest: section[offset:], order: l.order, addrBytes: u.addrBytes}
	if u.hasLoclists {
		return l.loclist(dst, u, &r, check)
	}
	return locList(dst, u, &r, check)
}

// loclist reads a list of DWARF 5.
func (l *locations) loclist(dst [][2]uint64, u *unit, r *locationReader, check *checkpoint) ([][2]uint64, error) {
	base := u.lowPC
	for n := 1; !r.failed; n++ {
		if err := mayAppend(dst, n, check); err != nil {
			return nil, err
		}
		var lo, hi uint64
		switch r.byte() {
		case lleBaseAddressx:
			base = l.address(u, r)
			continue
		case lleBaseAddress:
			base = r.address()
			continue
		case lleStartxEndx:
			lo, hi = l.address(u, r), l.address(u, r)
		case lleStartxLength:
			lo = l.address(u, r)
			hi = lo + r.uleb()
		case lleOffsetPair:
			lo, hi = base+r.uleb(), base+r.uleb()
		case lleDefaultLocation:
			lo, hi = 0, ^uint64(0)
		case lleStartEnd:
			lo, hi = r.address(), r.address()
		case lleStartLength:
			lo = r.address()
			hi = lo + r.uleb()
		case lleEndOfList:
			return dst, nil
		default:
			return dst, nil
		}
		expression := r.take(r.uleb())
		if lo < hi && complete(expression) {
			dst = append(dst, [2]uint64{lo, hi})
		}
	}
	return dst, nil
}

// address reads an index into .debug_addr and resolves it.
func (l *locations) address(u *unit, r *locationReader) uint64 {
	index := r.uleb()
	entry := locationReader{rest: l.addr, order: l.order, addrBytes: r.addrBytes}
	entry.take(uint64(max(u.addrBase, 0)))
	if index > uint64(len(entry.rest)) {
		r.failed = true
		return 0
	}
	entry.take(index * uint64(max(r.addrBytes, 0)))
	address := entry.address()
	r.failed = r.failed || entry.failed
	return address
}

// locList reads a list of DWARF 4 (section 2.6.2).
func locList(dst [][2]uint64, u *unit, r *locationReader, check *checkpoint) ([][2]uint64, error) {
	base := u.lowPC
	highest := ^uint64(0)
	if u.addrBytes == 4 {
		highest = 1<<32 - 1
	}
	for n := 1; ; n++ {
		if err := mayAppend(dst, n, check); err != nil {
			return nil, err
		}
		lo, hi := r.address(), r.address()
		switch {
		case r.failed || lo == 0 && hi == 0:
			return dst, nil
		case lo == highest:
			base = hi
			continue
		}
		expression := r.take(r.uint(2))
		if lo < hi && complete(expression) {
			dst = append(dst, [2]uint64{base + lo, base + hi})
		}
	}
}

// locationReader reads values from a section. Once it has failed, because no bytes are
// left, it returns zeros.
type locationReader struct {
	rest      []byte
	order     binary.ByteOrder
	addrBytes int // 4 or 8
	failed    bool
}

// take returns the next n bytes.
func (r *locationReader) take(n uint64) []byte {
	if r.failed || n > uint64(len(r.rest)) {
		r.failed = true
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

// uint reads an unsigned number of n bytes: 1, 2, 4 or 8.
func (r *locationReader) uint(n int) uint64 {
	b := r.take(uint64(n))
	switch len(b) {
	case 0:
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(r.order.Uint16(b))
	case 4:
		return uint64(r.order.Uint32(b))
	case 8:
		return r.order.Uint64(b)
	default:
		r.failed = true
	}
	return 0
}

// uint24 reads an unsigned number of three bytes.
func (r *locationReader) uint24() uint64 {
	first, second, third := r.uint(1), r.uint(1), r.uint(1)
	if r.order == binary.BigEndian {
		first, third = third, first
	}
	return first | second<<8 | third<<16
}

// offset reads an offset into a section, which has 64 bits if it is wide.
func (r *locationReader) offset(wide bool) uint64 {
	if wide {
		return r.uint(8)
	}
	return r.uint(4)
}

func (r *locationReader) byte() byte      { return byte(r.uint(1)) }
func (r *locationReader) address() uint64 { return r.uint(r.addrBytes) }

// uleb reads an unsigned LEB128 number of at most 64 bits.
func (r *locationReader) uleb() uint64 {
	if len(r.rest) > 0 && r.rest[0] < 0x80 && !r.failed { // most numbers are small
		v := r.rest[0]
		r.rest = r.rest[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(r.rest)
	if r.failed || n <= 0 {
		r.failed = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// sleb reads a signed LEB128 number of at most 64 bits.
func (r *locationReader) sleb() int64 {
	var v uint64
	for shift := uint(0); ; shift += 7 {
		b := r.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 || r.failed {
			if b&0x40 != 0 && shift+7 < 64 {
				v |= ^uint64(0) << (shift + 7)
			}
			return int64(v)
		}
	}
}

// Operations of a location expression (DWARF 5, section 7.7.1) that the Go compiler
// uses.
const (
	opDeref        = 0x06
	opReg0         = 0x50
	opReg31        = 0x6f
	opRegx         = 0x90
	opFbreg        = 0x91
	opPiece        = 0x93
	opCallFrameCFA = 0x9c
)

// maxExpressionBytes bounds a location expression. One of a few pieces has 20 bytes.
const maxExpressionBytes = 1 << 10

// complete reports whether a location expression locates a whole value: it has a
// location, or one before each of its pieces. An expression that is longer than those of
// the Go compiler, or has an operation that it does not use, counts as incomplete.
func complete(expression []byte) bool {
	if len(expression) > maxExpressionBytes {
		return false
	}
	r := locationReader{rest: expression}
	located, pieces := false, 0
	for len(r.rest) > 0 {
		switch op := r.byte(); {
		case op == opPiece:
			if size := r.uleb(); size > 0 && !located {
				return false
			}
			located = false
			pieces++
		case opReg0 <= op && op <= opReg31, op == opCallFrameCFA:
			located = true
		case op == opRegx, op == opFbreg:
			r.uleb()
			located = true
		case op == opDeref:
		default:
			return false
		}
	}
	return !r.failed && (located || pieces > 0)
}
