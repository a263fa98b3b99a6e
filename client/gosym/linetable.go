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
	} else if err := t.check.pass(1 + len(t.sequences)/shortSteps); err != nil {
		return noSequence, err
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
