package gosym

import (
	"cmp"
	"debug/dwarf"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
)

// row is an entry of a line table: from pc on, code of this line.
type row struct {
	pc   uint64
	line int32
	// file is an index into the table's files, -1 where none is known.
	file int32
}

// lineTable holds the statements of a unit, ascending by pc: the places where
// the compiler advises to stop.
type lineTable struct {
	rows  []row
	files []string
	// declared maps numbers of DW_AT_decl_file to indexes into files.
	declared []int32
}

// readLineTable decodes the line table of a unit. One without is empty.
func readLineTable(d *debugInfo, u *unit) (*lineTable, error) {
	t := &lineTable{}
	lr, err := d.LineReader(u.entry)
	if err != nil {
		return nil, fmt.Errorf("read line table of %s: %w", u.name, err)
	}
	if lr == nil {
		return t, nil
	}
	numbers := map[string]int32{}
	number := func(f *dwarf.LineFile) int32 {
		if f == nil {
			return -1
		}
		n, ok := numbers[f.Name]
		if !ok {
			n = int32(len(t.files))
			t.files = append(t.files, f.Name)
			numbers[f.Name] = n
		}
		return n
	}
	var entry dwarf.LineEntry
	var lastFile *dwarf.LineFile
	lastNumber := int32(-1)
	for {
		if err := lr.Next(&entry); err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			return nil, fmt.Errorf("read line table of %s: %w", u.name, err)
		}
		if !entry.IsStmt || entry.EndSequence || entry.Line <= 0 || entry.Line > maxLine {
			continue
		}
		if entry.File != lastFile {
			lastFile, lastNumber = entry.File, number(entry.File)
		}
		t.rows = append(t.rows, row{entry.Address, int32(entry.Line), lastNumber})
	}
	for _, f := range lr.Files() {
		t.declared = append(t.declared, number(f))
	}
	byPC := func(a, b row) int { return cmp.Compare(a.pc, b.pc) }
	if !slices.IsSortedFunc(t.rows, byPC) {
		slices.SortStableFunc(t.rows, byPC)
	}
	return t, nil
}

// maxLine is the greatest line number that is taken for one.
const maxLine = 1<<31 - 2

// fileOf is the table's number of the file in DW_AT_decl_file, -1 where it has
// none.
func (t *lineTable) fileOf(e *dwarf.Entry) int32 {
	n, ok := e.Val(dwarf.AttrDeclFile).(int64)
	if !ok || n < 0 || n >= int64(len(t.declared)) {
		return -1
	}
	return t.declared[n]
}

// fileName is the path of a file by its number, empty for -1.
func (t *lineTable) fileName(file int32) string {
	if file < 0 {
		return ""
	}
	return t.files[file]
}

// statements appends to dst the rows in the PC ranges, which are ascending and
// apart from each other.
func (t *lineTable) statements(dst []row, ranges [][2]uint64) []row {
	for _, r := range ranges {
		for _, at := range t.rows[t.search(r[0]):] {
			if at.pc >= r[1] {
				break
			}
			dst = append(dst, at)
		}
	}
	return dst
}

func (t *lineTable) search(pc uint64) int {
	return sort.Search(len(t.rows), func(i int) bool { return t.rows[i].pc >= pc })
}

// mainFile is the file that most of the rows are of.
func mainFile(rows []row) int32 {
	counts := map[int32]int{}
	best, bestCount := int32(-1), 0
	for _, r := range rows {
		counts[r.file]++
		if n := counts[r.file]; n > bestCount {
			best, bestCount = r.file, n
		}
	}
	return best
}

// inFile removes the rows of other files, in place.
func inFile(rows []row, file int32) []row {
	return slices.DeleteFunc(rows, func(r row) bool { return r.file != file })
}

// linesOf are the lines of all rows.
func linesOf(rows []row) []span {
	lines := make([]int32, len(rows))
	for i, r := range rows {
		lines[i] = r.line
	}
	return spansOf(lines)
}

// linesAt are the lines of the rows, ascending by pc, that lie in ranges.
func linesAt(rows []row, ranges [][2]uint64) []span {
	return linesOf(rowsAt(rows, ranges))
}

// rowsAt are the rows, ascending by pc, that lie in ranges.
func rowsAt(rows []row, ranges [][2]uint64) []row {
	var out []row
	for _, r := range ranges {
		i := sort.Search(len(rows), func(i int) bool { return rows[i].pc >= r[0] })
		for ; i < len(rows) && rows[i].pc < r[1]; i++ {
			out = append(out, rows[i])
		}
	}
	return out
}

// sortRanges sorts PC ranges and joins those that touch, in place.
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

// subtract is what holes leave of ranges; both are sorted.
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
