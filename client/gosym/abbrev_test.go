package gosym

import (
	"debug/dwarf"
	"encoding/binary"
	"testing"
)

// The memory of a table depends on how many abbreviations it has, not on their codes.
func TestCodesOfAbbreviations(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		codes []uint64
		dense int
	}{
		"in order":    {[]uint64{1, 2, 3}, 3},
		"great":       {[]uint64{1000}, 0},
		"with a gap":  {[]uint64{1, 2, 1000, 3, 4}, 4},
		"backward":    {[]uint64{3, 2, 1}, 1},
		"twice":       {[]uint64{1, 2, 2, 1, 3}, 3},
		"gap filled":  {[]uint64{3, 1, 2, 3}, 3},
		"many at all": {[]uint64{1 << 31, 1 << 20, 1}, 1},
	} {
		var content []byte
		tags := map[uint64]dwarf.Tag{}
		for i, code := range tt.codes {
			tags[code] = dwarf.Tag(i + 1)
			content = append(binary.AppendUvarint(content, code), byte(i+1), 0, 0, 0)
		}
		d := &debugInfo{sections: debugSections{abbrev: append(content, 0)}, tables: map[uint64]*abbrevTable{}}
		table, err := d.abbrevs(0)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(table.dense); got != tt.dense {
			t.Errorf("%s: a list of %d, want %d", name, got, tt.dense)
		}
		for code, want := range tags {
			if got := table.find(code); got == nil || got.tag != want {
				t.Errorf("%s: code %d is %v, want %v", name, code, got, want)
			}
		}
		for _, code := range []uint64{0, 5, 1001, 1 << 40} {
			if got := table.find(code); got != nil {
				t.Errorf("%s: code %d is %v, want none", name, code, got)
			}
		}
	}
}
