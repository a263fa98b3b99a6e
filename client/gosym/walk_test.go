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
	ix, err := newIndex(&object{dwarf: d}, func(string) bool { return true }, unchecked())
	if err != nil {
		t.Fatal(err)
	}
	const units = maxTableRows / 4
	tables := lineTables{dwarf: d, units: slices.Repeat(ix.units, units), tables: map[int]*lineTable{}, check: unchecked()}
	for number := range units {
		table, err := tables.table(number)
		if err != nil || len(table.rows) == 0 {
			t.Fatalf("table %d: %v, %v, want rows", number, table, err)
		}
		if again, err := tables.table(number); again != table || err != nil {
			t.Fatalf("table %d again: %p, %v, want %p", number, again, err, table)
		}
	}
	rows := 0
	for _, table := range tables.tables {
		rows += len(table.rows)
	}
	if rows != tables.rows || rows > maxTableRows || rows < maxTableRows*9/10 || len(tables.tables) != len(tables.recent) {
		t.Errorf("%d rows, counted as %d, in %d tables, of which %d can be dropped, want almost %d",
			rows, tables.rows, len(tables.tables), len(tables.recent), maxTableRows)
	}
	if _, ok := tables.tables[units-1]; !ok {
		t.Error("the last table was dropped, want the first ones")
	}
}
