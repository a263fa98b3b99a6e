package gosym

import (
	"slices"
	"testing"
)

// A program of many packages does not have all its line tables in memory.
func TestLineTablesAreBounded(t *testing.T) {
	t.Parallel()
	s := synthetic(1)
	d, err := newDebugInfo(s.info, func(name string) ([]byte, error) {
		return map[string][]byte{"abbrev": s.abbrev, "line": s.line, "addr": s.addr}[name], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ix, err := newIndex(&object{spool: newSpool("", newAllowance(0)), dwarf: d}, func(string) bool { return true }, unchecked())
	if err != nil {
		t.Fatal(err)
	}
	const units = maxTableBytes / 100
	code := [][2]uint64{{0x1000, 0x1060}}
	tables := lineTables{dwarf: d, files: newFiles(), units: slices.Repeat(ix.units, units), tables: map[int]*lineTable{}, check: unchecked()}
	for number := range units {
		table, err := tables.table(number, code)
		if err != nil || len(table.rows) == 0 {
			t.Fatalf("table %d: %v, %v, want rows", number, table, err)
		}
		if again, err := tables.table(number, code); again != table || err != nil {
			t.Fatalf("table %d again: %p, %v, want %p", number, again, err, table)
		}
	}
	bytes := 0
	for _, table := range tables.tables {
		bytes += table.bytes()
	}
	if bytes != tables.bytes || bytes > maxTableBytes || bytes < maxTableBytes*9/10 || len(tables.tables) != len(tables.recent) {
		t.Errorf("%d bytes, counted as %d, in %d tables, of which %d can be dropped, want almost %d",
			bytes, tables.bytes, len(tables.tables), len(tables.recent), maxTableBytes)
	}
	if _, ok := tables.tables[units-1]; !ok {
		t.Error("the last table was dropped, want the first ones")
	}
}
