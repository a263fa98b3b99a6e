package gosym

import (
	"slices"
	"testing"
)

// tableOf returns a line table of one file with a row for each PC, in steps of four, and
// its end. Lines below zero have no statement.
func tableOf(lines ...int32) *lineRows {
	t := &lineRows{table: &lineTable{files: []fileNumber{0, 1}}}
	for i, line := range lines {
		t.add(uint64(4*i), int(max(line, -line)), 1, line > 0)
	}
	t.end(uint64(4 * len(lines)))
	return t
}

func TestRuns(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		table  *lineRows
		ranges [][2]uint64
		holes  [][2]uint64
		lines  []span
		stops  []uint64
	}{
		{"statements", tableOf(1, 2, 2, 3), [][2]uint64{{0, 16}}, nil, []span{{1, 3}}, []uint64{0, 4, 8, 12}},
		{"no statement in the line", tableOf(1, -2, 3), [][2]uint64{{0, 12}}, nil, []span{{1, 3}}, []uint64{0, 4, 8}},
		{"statement behind the beginning", tableOf(1, -2, 2), [][2]uint64{{0, 12}}, nil, []span{{1, 2}}, []uint64{0, 8}},
		{"end of a statement", tableOf(1, -1, 2), [][2]uint64{{0, 12}}, nil, []span{{1, 2}}, []uint64{0, 8}},
		{"around an inlined call", tableOf(1, 9, -1, 2), [][2]uint64{{0, 16}}, [][2]uint64{{4, 8}}, []span{{1, 2}}, []uint64{0, 12}},
		{"padding behind an inlined call", tableOf(1, 9, 2), [][2]uint64{{0, 12}}, [][2]uint64{{4, 6}}, []span{{1, 2}}, []uint64{0, 8}},
		{"begins behind code of the line", tableOf(1, 2, 3), [][2]uint64{{6, 12}}, nil, []span{{2, 3}}, []uint64{6, 8}},
		{"begins with an inlined call", tableOf(1, 2, 3), [][2]uint64{{4, 12}}, [][2]uint64{{4, 6}}, []span{{3, 3}}, []uint64{8}},
		{"begins within a row", tableOf(1, 2), [][2]uint64{{6, 7}}, nil, []span{{2, 2}}, []uint64{6}},
		{"behind the end", tableOf(1, 2), [][2]uint64{{0, 100}}, nil, []span{{1, 2}}, []uint64{0, 4}},
		{"nothing", tableOf(1, 2), [][2]uint64{{50, 60}}, nil, nil, nil},
	}
	for _, tt := range tests {
		runs := tt.table.runs(nil, tt.ranges, tt.holes)
		if got := linesOf(runs); !slices.Equal(got, tt.lines) {
			t.Errorf("%s: lines %v, want %v", tt.name, got, tt.lines)
		}
		var stops []uint64
		for _, r := range runs {
			if r.stop {
				stops = append(stops, r.lo)
			}
		}
		if !slices.Equal(stops, tt.stops) {
			t.Errorf("%s: stops at %v, want %v", tt.name, stops, tt.stops)
		}
	}
}

func TestCodeOfABlock(t *testing.T) {
	t.Parallel()
	runs := tableOf(1, 2, 3).runs(nil, [][2]uint64{{0, 12}}, nil)
	block := appendRunsIn(nil, runs, [][2]uint64{{2, 6}})
	want := []run{{lo: 2, hi: 4, line: 1, file: 1}, {lo: 4, hi: 6, line: 2, file: 1, stop: true}}
	if !slices.Equal(block, want) {
		t.Errorf("got %v, want %v", block, want)
	}
}
