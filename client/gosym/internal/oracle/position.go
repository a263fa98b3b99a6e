package oracle

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// moved is a //line directive: it changes the lines that follow. The go/scanner
// package obeys directives too, but joins relative names to the file's directory;
// the compiler writes them to the binary unchanged.
type moved struct {
	offset  int
	rawLine int
	where
}

// readDirectives records the directives in a file's comments: changes of lines, and
// linker names of functions.
func (r *reading) readDirectives(file *ast.File) {
	in := r.fset.File(file.FileStart)
	for _, group := range file.Comments {
		for _, c := range group.List {
			if f := strings.Fields(c.Text); len(f) == 3 && f[0] == "//go:linkname" {
				r.linknames[f[1]] = f[2]
			}
			at := r.fset.PositionFor(c.Pos(), false)
			if text, ok := strings.CutPrefix(c.Text, "/*line "); ok {
				r.move(in, strings.TrimSuffix(text, "*/"), at.Offset+len(c.Text), at.Line)
			} else if text, ok := strings.CutPrefix(c.Text, "//line "); ok && at.Column == 1 {
				r.move(in, text, at.Offset+len(c.Text)+1, at.Line+1)
			}
		}
	}
}

// noName is the compiler's name for a file without a name.
const noName = "??"

// move records a directive that applies from an offset: `file:line` or
// `file:line:column`. With a column, an empty name means the previous directive's,
// or the file's own.
func (r *reading) move(in *token.File, text string, offset, rawLine int) {
	name, last, _ := cutNumber(text)
	line := last
	if shorter, number, ok := cutNumber(name); ok {
		name, line = shorter, number
		if name == "" {
			name = in.Name()
			if before := r.moved[in]; len(before) > 0 {
				name = before[len(before)-1].file
			}
		}
	}
	if line == 0 {
		return
	}
	if name == "" {
		name = noName
	}
	r.moved[in] = append(r.moved[in], moved{offset, rawLine, where{name, int32(line)}})
}

// cutNumber splits a text at its last colon, which a number follows.
func cutNumber(text string) (before string, number int, ok bool) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return text, 0, false
	}
	number, err := strconv.Atoi(text[i+1:])
	return text[:i], number, err == nil
}

// at returns the place of a position in the binary.
func (r *reading) at(pos token.Pos) where {
	raw := r.fset.PositionFor(pos, false)
	at := where{raw.Filename, int32(raw.Line)}
	for _, m := range r.moved[r.fset.File(pos)] {
		if m.offset <= raw.Offset {
			at = where{m.file, m.line + int32(raw.Line-m.rawLine)}
		}
	}
	name, ok := r.source.files[at.file]
	if !ok {
		name = r.rewrite(at.file)
		r.source.files[at.file] = name
	}
	return where{name, at.line}
}

// byCgo reports whether cgo made the function that begins at a position: it is in a
// file made by cgo, and no function of the original files begins there.
func (r *reading) byCgo(pos token.Pos) bool {
	return len(r.CgoFiles) > 0 && filepath.Dir(r.fset.PositionFor(pos, false).Filename) != r.Dir &&
		!r.written[place(r.fset.Position(pos))]
}

// moves reports whether there is a //line directive in n.
func (r *reading) moves(n ast.Node) bool {
	from, to := r.fset.PositionFor(n.Pos(), false).Offset, r.fset.PositionFor(n.End(), false).Offset
	return slices.ContainsFunc(r.moved[r.fset.File(n.Pos())], func(m moved) bool { return from < m.offset && m.offset < to })
}

// extent is a part of a file: the lines from first to last, or a set of lines if
// they are not in order.
type extent struct {
	first, last int32
	lines       map[int32]bool
}

func (e extent) has(line int32) bool {
	if e.lines != nil {
		return e.lines[line]
	}
	return e.first <= line && line <= e.last
}

// extent returns the lines between two positions, both inclusive, in the file of
// the first.
func (r *reading) extent(from, to token.Pos) extent {
	begin := r.at(from)
	e := extent{first: begin.line, last: r.at(to).line}
	in := r.fset.File(from)
	if len(r.moved[in]) == 0 {
		return e
	}
	e.lines = map[int32]bool{e.first: true}
	note := func(pos token.Pos) {
		if at := r.at(pos); from <= pos && pos <= to && at.file == begin.file {
			e.lines[at.line] = true
		}
	}
	note(to)
	last := r.fset.PositionFor(to, false).Line
	for line := r.fset.PositionFor(from, false).Line; line <= last; line++ {
		note(in.LineStart(line))
	}
	for _, m := range r.moved[in] {
		if m.offset < in.Size() {
			note(in.Pos(m.offset))
		}
	}
	return e
}
