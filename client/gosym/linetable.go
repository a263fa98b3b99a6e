package gosym

import (
	"cmp"
	"debug/dwarf"
	"fmt"
	"slices"
	"sort"
)

// row is an entry of a line table: from pc on, code is of this line. The line is 0 if
// it is unknown, and after the end of a sequence.
type row struct {
	pc   uint64
	line int32
	// place is twice the number of the file, plus one if the compiler recommends
	// stopping there.
	place int32
}

// lineTable is the line table of a unit.
type lineTable struct {
	// program is nil if the unit has no table.
	program *lineProgram
	// files are by their numbers in the table and in DW_AT_decl_file.
	files []fileNumber
}

// maxTableFiles bounds the files of all line tables together: units can share a table. A
// program of a thousand packages has 80,000.
const maxTableFiles = 1 << 22

// readLineTable reads the header of a unit's line table.
func readLineTable(d *debugInfo, u *unit, all *files) (*lineTable, error) {
	t := &lineTable{}
	lr, err := d.LineReader(u.entry)
	if err != nil {
		return nil, fmt.Errorf("read line table of %s: %w", u.name, err)
	}
	if lr == nil {
		return t, nil
	}
	if all.inTables += len(lr.Files()); all.inTables > maxTableFiles {
		return nil, fmt.Errorf("%w: line tables of more than %d files", ErrTooLarge, maxTableFiles)
	}
	t.files = make([]fileNumber, len(lr.Files()))
	for i, f := range lr.Files() {
		if f == nil {
			continue
		}
		if t.files[i], err = all.number(f.Name); err != nil {
			return nil, err
		}
	}
	offset, _ := u.entry.Val(dwarf.AttrStmtList).(int64)
	if t.program, err = newLineProgram(d.sections.line[offset:], d.order, u.addrBytes); err != nil {
		return nil, fmt.Errorf("read line table of %s: %w", u.name, err)
	}
	return t, nil
}

// fileOf returns the file in DW_AT_decl_file, or -1.
func (t *lineTable) fileOf(e *entry) int32 {
	if e.file < 0 || int(e.file) >= len(t.files) || t.files[e.file] == 0 {
		return -1
	}
	return int32(t.files[e.file])
}

// lineRows reads rows of line tables, ascending by pc, without those that only end a
// statement. Only the rows for the code in use are in memory.
type lineRows struct {
	check *checkpoint
	table *lineTable
	// sequences are those of the table, if they were looked for. disjoint means that
	// they are ascending and do not overlap.
	sequences []sequence
	disjoint  bool
	rows      []row
	// ended means that the last row is the end of a sequence.
	ended bool
}

// sequence is where the rows for a range of PCs are in a line program.
type sequence struct {
	lo, hi uint64
	place  sequencePlace
}

// sequencePlace is the offset of a sequence in its line program, plus one.
type sequencePlace uint32

const (
	// notOneSequence means that a function's rows must be looked for.
	notOneSequence sequencePlace = 0
	noSequence     sequencePlace = 1<<32 - 1
)

// maxUnitRows bounds the rows of a table. In cmd/compile the largest has 500,000.
const maxUnitRows = 1 << 22

// maxKeptRows is the longest list of rows whose memory is used again.
const maxKeptRows = 1 << 15

// open changes to another table.
func (t *lineRows) open(table *lineTable) {
	if t.table == table {
		return
	}
	t.table, t.sequences = table, t.sequences[:0]
}

// find runs the program once, to learn which sequences there are. The Go linker makes one
// for each function.
func (t *lineRows) find() error {
	t.sequences, t.disjoint = t.sequences[:0], true
	p := t.table.program
	if p == nil {
		return nil
	}
	rows := 0
	for offset := 0; offset < len(p.code); {
		t.reset()
		next, err := p.sequence(offset, t)
		if err != nil {
			return err
		}
		if rows += len(t.rows); rows > maxUnitRows {
			return tooManyRows()
		}
		if err := t.check.pass(1 + len(t.rows)%workPerCheck); err != nil {
			return err
		}
		if n := len(t.rows); n > 0 {
			s := sequence{lo: t.rows[0].pc, hi: t.rows[n-1].pc, place: sequencePlace(offset + 1)}
			if !t.ended || !slices.IsSortedFunc(t.rows, func(a, b row) int { return cmp.Compare(a.pc, b.pc) }) {
				s.lo, s.hi = 0, ^uint64(0)
			}
			if k := len(t.sequences); k > 0 && s.lo < t.sequences[k-1].hi {
				t.disjoint = false
			}
			t.sequences = append(t.sequences, s)
		}
		offset = next
	}
	return nil
}

// reset removes the rows.
func (t *lineRows) reset() {
	if cap(t.rows) > maxKeptRows {
		t.rows = nil
	}
	t.rows, t.ended = t.rows[:0], false
}

// mayGrow fails if there are too many rows, or if the work is to stop.
func (t *lineRows) mayGrow() error {
	if len(t.rows) > maxUnitRows {
		return tooManyRows()
	}
	return t.check.pass(workPerCheck)
}

func tooManyRows() error { return fmt.Errorf("%w: more than %d rows", ErrTooLarge, maxUnitRows) }

// load reads the rows for the code in the ranges, which are ascending, from the sequences
// that find has found. It returns where they are.
func (t *lineRows) load(ranges [][2]uint64) (sequencePlace, error) {
	t.reset()
	if len(ranges) == 0 {
		return noSequence, nil
	}
	lo, hi := ranges[0][0], ranges[len(ranges)-1][1]
	first := 0
	if t.disjoint {
		first = sort.Search(len(t.sequences), func(i int) bool { return lo < t.sequences[i].hi })
	}
	if !t.disjoint {
		if err := t.check.pass(1 + len(t.sequences)/shortSteps); err != nil {
			return noSequence, err
		}
	}
	place := noSequence
	for _, s := range t.sequences[first:] {
		if t.disjoint && hi <= s.lo {
			break
		}
		if s.lo >= hi || lo >= s.hi {
			continue
		}
		before := len(t.rows)
		if _, err := t.table.program.sequence(int(s.place-1), t); err != nil {
			return place, err
		}
		if err := t.check.pass(1 + (len(t.rows)-before)/shortSteps); err != nil {
			return place, err
		}
		if place == noSequence {
			place = s.place
		} else {
			place = notOneSequence
		}
	}
	t.sort()
	return place, nil
}

// loadAt reads the rows of a place that load has returned for the ranges.
func (t *lineRows) loadAt(place sequencePlace, ranges [][2]uint64) error {
	switch place {
	case noSequence:
		t.reset()
		return nil
	case notOneSequence:
		if len(t.sequences) == 0 {
			if err := t.find(); err != nil {
				return err
			}
		}
		_, err := t.load(ranges)
		return err
	default:
		t.reset()
		_, err := t.table.program.sequence(int(place-1), t)
		t.sort()
		return err
	}
}

// sort sorts the rows. The end of a function comes before the beginning of the next at the
// same pc.
func (t *lineRows) sort() {
	order := func(a, b row) int {
		return cmp.Or(cmp.Compare(a.pc, b.pc), cmp.Compare(min(a.line, 1), min(b.line, 1)))
	}
	if !slices.IsSortedFunc(t.rows, order) {
		slices.SortStableFunc(t.rows, order)
	}
}

// maxLine is the greatest valid line number.
const maxLine = 1<<31 - 2

// add appends a row, unless it adds nothing to the one before.
func (t *lineRows) add(pc uint64, line, file int, statement bool) {
	r := row{pc: pc}
	files := t.table.files
	if 0 < line && line <= maxLine && 0 <= file && file < len(files) && files[file] > 0 {
		r.line, r.place = int32(line), int32(files[file])<<1
		if statement {
			r.place |= 1
		}
	}
	t.append(r)
}

// end appends the end of a sequence.
func (t *lineRows) end(pc uint64) {
	t.append(row{pc: pc})
	t.ended = true
}

func (t *lineRows) append(r row) {
	if n := len(t.rows); n > 0 && r.place&1 == 0 {
		if last := t.rows[n-1]; last.line == r.line && last.place|1 == r.place|1 {
			return
		}
	}
	t.rows = append(t.rows, r)
}

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
