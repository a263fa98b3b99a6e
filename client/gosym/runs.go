package gosym

import (
	"slices"
	"sort"
)

// run is code of one line: the PCs from lo to hi, exclusive.
type run struct {
	lo, hi uint64
	line   int32
	file   int32
	// stop means that a debugger stops here for a breakpoint on the line: at the
	// beginning of a statement, or of any code if the line has no statement.
	stop bool
}

// runs appends to dst the code in the PC ranges, except in the holes, which are inlined
// calls. Both are ascending and disjoint. Code after a hole counts only from the next
// row on, because padding of an inlined call has no row and no line. At the beginning
// of a range there may be no row, if the code before is of the same line.
func (t *lineRows) runs(dst []run, ranges, holes [][2]uint64) []run {
	first := len(dst)
	begins := ranges
	for _, r := range subtract(ranges, holes) {
		i := sort.Search(len(t.rows), func(i int) bool { return t.rows[i].pc >= r[0] })
		next := func(i int) uint64 {
			if i+1 < len(t.rows) {
				return min(r[1], t.rows[i+1].pc)
			}
			return r[1]
		}
		for len(begins) > 0 && begins[0][0] < r[0] {
			begins = begins[1:]
		}
		if len(begins) > 0 && begins[0][0] == r[0] && i > 0 && r[0] < next(i-1) {
			if begun := &t.rows[i-1]; begun.line > 0 {
				dst = append(dst, run{r[0], next(i - 1), begun.line, begun.place >> 1, false})
			}
		}
		for ; i < len(t.rows) && t.rows[i].pc < r[1]; i++ {
			begun, hi := &t.rows[i], next(i)
			if begun.pc < hi && begun.line > 0 {
				dst = append(dst, run{begun.pc, hi, begun.line, begun.place >> 1, begun.place&1 != 0})
			}
		}
	}
	stops(dst[first:])
	return dst
}

// stops sets stop for the code of lines without a statement.
func stops(runs []run) {
	if !slices.ContainsFunc(runs, func(r run) bool { return !r.stop }) {
		return
	}
	lines := make([]int32, 0, len(runs))
	for _, r := range runs {
		if r.stop {
			lines = append(lines, r.line)
		}
	}
	statements := spansOf(lines)
	for i := range runs {
		runs[i].stop = runs[i].stop || !covers(statements, []span{{runs[i].line, runs[i].line}})
	}
}

// mainFile returns the file of most of the code.
func mainFile(runs []run) int32 {
	if len(runs) > 0 && !slices.ContainsFunc(runs, func(r run) bool { return r.file != runs[0].file }) {
		return runs[0].file
	}
	counts := map[int32]int{}
	best, bestCount := int32(-1), 0
	for _, r := range runs {
		counts[r.file]++
		if n := counts[r.file]; n > bestCount {
			best, bestCount = r.file, n
		}
	}
	return best
}

// declaringFile returns the file of a function with that code and line of declaration:
// the file of the first code on the line, or else after it, or else of most code.
func declaringFile(runs []run, line int32) int32 {
	early := map[int32]bool{} // files with code before the line
	for _, r := range runs {
		if r.line == line {
			return r.file
		}
		if r.line < line {
			early[r.file] = true
		}
	}
	nearest := run{file: -1}
	for _, r := range runs {
		if r.line > line && (nearest.file < 0 || r.line < nearest.line) && !early[r.file] {
			nearest = r
		}
	}
	if nearest.file >= 0 {
		return nearest.file
	}
	return mainFile(runs)
}

// inFile removes the code of other files, in place.
func inFile(runs []run, file int32) []run {
	return slices.DeleteFunc(runs, func(r run) bool { return r.file != file })
}

// linesOf returns the lines of the code.
func linesOf(runs []run) []span {
	lines := make([]int32, len(runs))
	for i, r := range runs {
		lines[i] = r.line
	}
	return spansOf(lines)
}

// stopsIn returns the lines on which a debugger stops in the ranges, and how much code it
// looked at.
func stopsIn(runs []run, ranges [][2]uint64) (stops []span, seen int) {
	var lines []int32
	for _, r := range ranges {
		i := sort.Search(len(runs), func(i int) bool { return runs[i].lo >= r[0] })
		for ; i < len(runs) && runs[i].lo < r[1]; i++ {
			if seen++; runs[i].stop {
				lines = append(lines, runs[i].line)
			}
		}
	}
	return spansOf(lines), seen
}

// appendRunsIn appends to dst the part of the code, ascending by PC, in the ranges.
func appendRunsIn(dst, runs []run, ranges [][2]uint64) []run {
	for _, r := range ranges {
		i := sort.Search(len(runs), func(i int) bool { return runs[i].hi > r[0] })
		for ; i < len(runs) && runs[i].lo < r[1]; i++ {
			part := runs[i]
			part.stop = part.stop && part.lo >= r[0]
			part.lo, part.hi = max(part.lo, r[0]), min(part.hi, r[1])
			dst = append(dst, part)
		}
	}
	return dst
}
