package gosym

import (
	"cmp"
	"fmt"
	"slices"
)

// Entries of a list of PC ranges (DWARF 5, section 7.25).
const (
	rleEndOfList    = 0x00
	rleBaseAddressx = 0x01
	rleStartxEndx   = 0x02
	rleStartxLength = 0x03
	rleOffsetPair   = 0x04
	rleBaseAddress  = 0x05
	rleStartEnd     = 0x06
	rleStartLength  = 0x07
)

// maxRanges bounds the PC ranges of a list, and of the inlined calls in a function. Calls
// can share a list, so that few bytes of DWARF have many ranges.
const maxRanges = 1 << 18

// mayAppend fails if there are too many ranges, or if the work is to stop after so many entries
// of a list.
func mayAppend(ranges [][2]uint64, entries int, check *checkpoint) error {
	if len(ranges) > maxRanges {
		return fmt.Errorf("%w: more than %d PC ranges in a function", ErrTooLarge, maxRanges)
	}
	if entries%shortSteps > 0 {
		return nil
	}
	return check.pass(1)
}

// ranges appends to dst the PC ranges of the code of an entry, end exclusive.
func (d *debugInfo) ranges(dst [][2]uint64, e *entry, check *checkpoint) ([][2]uint64, error) {
	if e.has&hasLow != 0 {
		switch {
		case e.has&hasHigh != 0:
			dst = append(dst, [2]uint64{e.low, e.high})
		case e.has&hasLength != 0:
			dst = append(dst, [2]uint64{e.low, e.low + e.high})
		}
	}
	five := e.unit.version >= 5 && d.sections.rnglists != nil
	switch {
	case five && e.has&(hasRanges|hasRangeList) != 0:
		return d.rangeList(dst, e.unit, e.ranges, check)
	case !five && e.has&hasRanges != 0 && d.sections.ranges != nil:
		return d.rangesBefore5(dst, e.unit, e.ranges, check)
	default:
		return dst, nil
	}
}

// rangesBefore5 reads a list in .debug_ranges (DWARF 4, section 2.17.3).
func (d *debugInfo) rangesBefore5(dst [][2]uint64, u *infoUnit, offset uint64, check *checkpoint) ([][2]uint64, error) {
	if offset > uint64(len(d.sections.ranges)) {
		return nil, fmt.Errorf("PC ranges at %#x: %w", offset, errDamaged)
	}
	r := locationReader{rest: d.sections.ranges[offset:], order: d.order, addrBytes: u.addrBytes}
	base, highest := u.low, ^uint64(0)
	if u.addrBytes < 8 {
		highest = 1<<(8*u.addrBytes) - 1
	}
	for n := 1; len(r.rest) > 0; n++ {
		if err := mayAppend(dst, n, check); err != nil {
			return nil, err
		}
		low, high := r.address(), r.address()
		switch {
		case low == 0 && high == 0:
			return dst, nil
		case low == highest:
			base = high
		default:
			dst = append(dst, [2]uint64{base + low, base + high})
		}
	}
	return dst, nil
}

// rangeList reads a list in .debug_rnglists (DWARF 5, section 2.17.3).
func (d *debugInfo) rangeList(dst [][2]uint64, u *infoUnit, offset uint64, check *checkpoint) ([][2]uint64, error) {
	damaged := func(err error) error { return fmt.Errorf("PC ranges at %#x: %w", offset, err) }
	if offset > uint64(len(d.sections.rnglists)) {
		return nil, damaged(errDamaged)
	}
	r := locationReader{rest: d.sections.rnglists[offset:], order: d.order, addrBytes: u.addrBytes}
	indexed := func() uint64 {
		address, err := d.address(u, u.addrBase, r.uleb())
		r.failed = r.failed || err != nil
		return address
	}
	base := u.low
	for n := 1; ; n++ {
		if err := mayAppend(dst, n, check); err != nil {
			return nil, err
		}
		var low, high uint64
		kind := r.byte()
		switch kind {
		case rleEndOfList:
			if r.failed {
				return nil, damaged(errDamaged)
			}
			return dst, nil
		case rleBaseAddressx:
			base = indexed()
		case rleBaseAddress:
			base = r.address()
		case rleStartxEndx:
			low, high = indexed(), indexed()
		case rleStartxLength:
			low = indexed()
			high = low + r.uleb()
		case rleOffsetPair:
			low, high = base+r.uleb(), base+r.uleb()
		case rleStartEnd:
			low, high = r.address(), r.address()
		case rleStartLength:
			low = r.address()
			high = low + r.uleb()
		}
		if r.failed {
			return nil, damaged(errDamaged)
		}
		if low < high {
			dst = append(dst, [2]uint64{low, high})
		}
	}
}

// sortRanges sorts PC ranges and joins adjacent ones, in place.
func sortRanges(ranges [][2]uint64) [][2]uint64 {
	ranges = slices.DeleteFunc(ranges, func(r [2]uint64) bool { return r[0] >= r[1] })
	slices.SortFunc(ranges, func(a, b [2]uint64) int { return cmp.Compare(a[0], b[0]) })
	out := ranges[:0]
	for _, r := range ranges {
		if n := len(out); n > 0 && r[0] <= out[n-1][1] {
			out[n-1][1] = max(out[n-1][1], r[1])
			continue
		}
		out = append(out, r)
	}
	return out
}

// subtract returns ranges without holes; both are sorted.
func subtract(ranges, holes [][2]uint64) [][2]uint64 {
	var out [][2]uint64
	for _, r := range ranges {
		for len(holes) > 0 && holes[0][1] <= r[0] {
			holes = holes[1:]
		}
		for _, h := range holes {
			if h[0] >= r[1] {
				break
			}
			if h[0] > r[0] {
				out = append(out, [2]uint64{r[0], h[0]})
			}
			r[0] = max(r[0], h[1])
		}
		if r[0] < r[1] {
			out = append(out, r)
		}
	}
	return out
}
