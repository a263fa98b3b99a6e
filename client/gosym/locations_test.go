package gosym

import (
	"encoding/binary"
	"slices"
	"testing"
)

func TestLocationLists(t *testing.T) {
	t.Parallel()
	order := binary.LittleEndian
	addr := func(pc uint64) []byte { return order.AppendUint64(nil, pc) }
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	const expression = "\x01\x50"
	tests := []struct {
		name string
		list []byte
		four bool
		want [][2]uint64
	}{
		{"empty", []byte{lleEndOfList}, false, nil},
		{"offsets from the unit's base", []byte("\x04\x02\x06" + expression + "\x00"), false, [][2]uint64{{0x1002, 0x1006}}},
		{"offsets from an indexed base", []byte("\x01\x01\x04\x02\x06" + expression + "\x00"), false, [][2]uint64{{0x2002, 0x2006}}},
		{"offsets from a base", join([]byte{6}, addr(0x3000), []byte("\x04\x00\x80\x01"+expression+"\x00")), false, [][2]uint64{{0x3000, 0x3080}}},
		{"indexed ends", []byte("\x02\x00\x01" + expression + "\x00"), false, [][2]uint64{{0x1000, 0x2000}}},
		{"indexed start and length", []byte("\x03\x01\x10" + expression + "\x00"), false, [][2]uint64{{0x2000, 0x2010}}},
		{"ends", join([]byte{7}, addr(0x10), addr(0x20), []byte(expression+"\x00")), false, [][2]uint64{{0x10, 0x20}}},
		{"start and length", join([]byte{8}, addr(0x10), []byte("\x05"+expression+"\x00")), false, [][2]uint64{{0x10, 0x15}}},
		{"default", []byte("\x05" + expression + "\x00"), false, [][2]uint64{{0, ^uint64(0)}}},
		{"half located", []byte("\x04\x02\x06\x05\x50\x93\x08\x93\x08\x04\x06\x08\x06\x50\x93\x08\x51\x93\x08\x00"), false, [][2]uint64{{0x1006, 0x1008}}},
		{"no location", []byte("\x04\x02\x06\x00\x00"), false, nil},
		{"empty range", []byte("\x04\x02\x02" + expression + "\x00"), false, nil},
		{"unknown entry", []byte("\x04\x02\x06" + expression + "\x7f"), false, [][2]uint64{{0x1002, 0x1006}}},
		{"no end", []byte("\x04\x02\x06" + expression), false, [][2]uint64{{0x1002, 0x1006}}},
		{"expression cut off", []byte("\x04\x02\x06\x09\x50"), false, nil},
		{"index out of bounds", []byte("\x03\x02\x10" + expression + "\x00"), false, nil},
		{"endless number", []byte("\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), false, nil},
		{
			"DWARF 4", join(addr(2), addr(6), []byte("\x01\x00\x50"), addr(^uint64(0)), addr(0x3000), addr(1), addr(2), []byte("\x01\x00\x50"), addr(0), addr(0)),
			true,
			[][2]uint64{{0x1002, 0x1006}, {0x3001, 0x3002}},
		},
		{"DWARF 4 without location", join(addr(2), addr(6), []byte("\x00\x00"), addr(0), addr(0)), true, nil},
		{"DWARF 4 cut off", join(addr(2), addr(6), []byte("\x05\x00\x50")), true, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := &locations{loclists: tt.list, loc: tt.list, addr: join(make([]byte, 8), addr(0x1000), addr(0x2000)), order: order}
			u := &unit{lowPC: 0x1000, addrBase: 8, addrBytes: 8, hasLoclists: !tt.four}
			if got, err := l.list(nil, u, 0, unchecked()); err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %#x, %v, want %#x", got, err, tt.want)
			}
			for _, offset := range []int64{-1, int64(len(tt.list)), 1 << 40} {
				if got, err := l.list(nil, u, offset, unchecked()); err != nil || len(got) > 0 {
					t.Errorf("at %d: %#x, %v, want none", offset, got, err)
				}
			}
		})
	}
}

func TestEveryPieceIsLocated(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]bool{
		"":                                 false,
		"\x50":                             true,  // a register
		"\x90\x25":                         true,  // a register of a greater number
		"\x91\x70":                         true,  // on the stack
		"\x9c":                             true,  // an argument on the stack
		"\x91\x70\x06":                     true,  // on the heap
		"\x50\x93\x08\x51\x93\x08":         true,  // a string in two registers
		"\x50\x93\x08\x93\x08\x93\x08":     false, // a slice without length
		"\x93\x08\x51\x93\x08":             false, // an interface without its type
		"\x93\x08\x93\x08":                 false,
		"\x93\x00\x51\x93\x08":             true, // a field without size
		"\x50\x93\x08\x91\x70\x93\x08":     true,
		"\x50\x93\x08\x91\x70\x93\xff\xff": false, // cut off
		"\x91\xff":                         false,
		"\x03\x00\x00\x00\x00\x00\x00\x00": false, // never written by the Go compiler
	} {
		if got := complete([]byte(expression)); got != want {
			t.Errorf("%x: complete: %v, want %v", expression, got, want)
		}
	}
}

func FuzzLocationList(f *testing.F) {
	f.Add([]byte("\x01\x01\x04\x02\x06\x01\x50\x00"), true, 8, int64(8))
	f.Add([]byte("\x03\x01\x10\x01\x50\x00"), true, 4, int64(0))
	f.Add([]byte("\x02\x00\x00\x00\x06\x00\x00\x00\x01\x00\x50\x00\x00\x00\x00\x00\x00\x00\x00"), false, 4, int64(-1))
	f.Fuzz(func(t *testing.T, section []byte, lists bool, addrBytes int, addrBase int64) {
		l := &locations{loclists: section, loc: section, addr: section, order: binary.BigEndian}
		u := &unit{lowPC: 1, addrBase: addrBase, addrBytes: addrBytes % 16, hasLoclists: lists}
		if got, err := l.list(nil, u, 0, unchecked()); err != nil || len(got) > len(section) {
			t.Errorf("%d ranges of %d bytes, want at most %v", len(got), len(section), len(section))
		}
	})
}
