package gosym

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// Calls and variables can share a list, so its length is bounded, and reading it can be
// stopped.
func TestLongLists(t *testing.T) {
	t.Parallel()
	order := binary.LittleEndian
	pair := order.AppendUint64(order.AppendUint64(nil, 1), 2)
	const expression = "\x01\x50"
	info := func(sections debugSections) *debugInfo { return &debugInfo{sections: sections, order: order} }
	old, recent := &infoUnit{version: 4, addrBytes: 8}, &infoUnit{version: 5, addrBytes: 8}
	for name, tt := range map[string]struct {
		entry string
		read  func(list []byte, check *checkpoint) ([][2]uint64, error)
	}{
		"ranges of DWARF 4": {string(pair), func(list []byte, check *checkpoint) ([][2]uint64, error) {
			return info(debugSections{ranges: list}).ranges(nil, &entry{unit: old, has: hasRanges}, check)
		}},
		"ranges of DWARF 5": {"\x04\x01\x02", func(list []byte, check *checkpoint) ([][2]uint64, error) {
			return info(debugSections{rnglists: list}).ranges(nil, &entry{unit: recent, has: hasRanges}, check)
		}},
		"locations of DWARF 4": {string(pair) + "\x01\x00\x50", func(list []byte, check *checkpoint) ([][2]uint64, error) {
			return (&locations{loc: list, order: order}).list(nil, &unit{addrBytes: 8}, 0, check)
		}},
		"locations of DWARF 5": {"\x04\x01\x02" + expression, func(list []byte, check *checkpoint) ([][2]uint64, error) {
			return (&locations{loclists: list, order: order}).list(nil, &unit{addrBytes: 8, hasLoclists: true}, 0, check)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			end := make([]byte, 16)
			list := append(bytes.Repeat([]byte(tt.entry), maxRanges), end...)
			if got, err := tt.read(list, unchecked()); err != nil || len(got) != maxRanges {
				t.Errorf("%d ranges: %d, %v, want all", maxRanges, len(got), err)
			}
			list = append(bytes.Repeat([]byte(tt.entry), maxRanges+1), end...)
			if _, err := tt.read(list, unchecked()); !errors.Is(err, ErrTooLarge) {
				t.Errorf("%d ranges: %v, want %v", maxRanges+1, err, ErrTooLarge)
			}
			stop := errors.New("stop")
			if _, err := tt.read(list, &checkpoint{check: func() error { return stop }}); !errors.Is(err, stop) {
				t.Errorf("%v, want %v", err, stop)
			}
		})
	}
}
