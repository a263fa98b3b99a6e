package gosym

import (
	"debug/dwarf"
	"fmt"
	"io"
	"sort"
)

// infoUnit is a unit of .debug_info.
type infoUnit struct {
	// base is the offset of its header; begin and end are those of its entries.
	base, begin, end dwarf.Offset
	table            *abbrevTable
	version          int
	addrBytes        int
	wide             bool
	// What follows is from its first entry: the bases of indexes, and the address that
	// offsets in lists of PC ranges are from.
	addrBase, stringsBase, rangesBase uint64
	low                               uint64
}

// Kinds of units (DWARF 5, section 7.5.1) with more fields in their headers.
const (
	unitOfType       = 0x02
	unitSkeleton     = 0x04
	unitSplitCompile = 0x05
	unitSplitType    = 0x06
)

// readUnits lists the units, whose lengths checkUnits has checked.
func (d *debugInfo) readUnits(check *checkpoint) error {
	r := fieldReader{locationReader{rest: d.sections.info, order: d.order}}
	at := func() dwarf.Offset { return dwarf.Offset(len(d.sections.info) - len(r.rest)) }
	for len(r.rest) > 0 {
		u := infoUnit{base: at()}
		var length uint64
		if length, u.wide = r.unitLength(); length == 0 {
			continue
		}
		end := at() + dwarf.Offset(length)
		u.version = int(r.uint(2))
		kind := uint64(0)
		if u.version >= 5 {
			kind, u.addrBytes = r.uint(1), int(r.uint(1))
		}
		table := r.offset(u.wide)
		if u.version < 5 {
			u.addrBytes = int(r.uint(1))
		}
		switch kind {
		case unitSkeleton, unitSplitCompile:
			r.take(8)
		case unitOfType, unitSplitType:
			r.take(8)
			r.offset(u.wide)
		}
		u.begin, u.end = at(), end
		if r.failed || u.begin > u.end || uint64(u.end) > uint64(len(d.sections.info)) {
			return fmt.Errorf("unit at %#x: %w", u.base, io.ErrUnexpectedEOF)
		}
		var err error
		if u.table, err = d.abbrevs(table); err != nil {
			return err
		}
		r.take(uint64(u.end - u.begin))
		d.units = append(d.units, u)
	}
	return d.readBases(check)
}

// readBases reads the values in the first entry of each unit that the unit's other entries
// need. Damage is reported when those are read.
func (d *debugInfo) readBases(check *checkpoint) error {
	r := d.reader(check)
	for i := range d.units {
		var root entry
		r.err = nil
		r.begin(i)
		u := &d.units[i]
		if u.begin == u.end {
			continue
		}
		err := r.read(&root)
		if err := check.pass(1 + int(root.fieldCount)); err != nil {
			return err
		}
		if err != nil || !beginsUnit(&root) {
			continue
		}
		if u.version >= 5 {
			u.addrBase = uint64(r.root.addrBase)
			u.stringsBase, u.rangesBase = uint64(r.root.stringsBase), uint64(r.root.rangesBase)
		}
		if u.low = root.low; r.root.hasEntry {
			u.low = r.root.entry
		}
	}
	return nil
}

// unitAt returns the index of the unit with the entry at an offset, or -1.
func (d *debugInfo) unitAt(offset dwarf.Offset) int {
	i := sort.Search(len(d.units), func(i int) bool { return d.units[i].begin > offset }) - 1
	if i < 0 || offset >= d.units[i].end {
		return -1
	}
	return i
}
