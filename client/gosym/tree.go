package gosym

import (
	"debug/dwarf"
	"fmt"
	"io"
	"iter"
	"strings"
)

// maxTreeDepth bounds the nesting of entries below a function; deeper ones are left
// out. Inlining nests calls, to a depth of about twenty in real programs.
const maxTreeDepth = 128

// maxTreeFields bounds the entries and fields below a function. In cmd/compile the
// largest function has 13,000.
const maxTreeFields = 1 << 19

// maxArena is how many entries an arena keeps room for.
const maxArena = 1 << 13

// node is an entry, followed by those below it, in order.
type node []entry

// entry returns the entry itself.
func (n node) entry() *entry { return &n[0] }

// children returns the nodes right below n.
func (n node) children() iter.Seq[node] {
	return func(yield func(node) bool) {
		for i := 1; i < len(n); {
			end := i + 1 + int(n[i].below)
			if !yield(n[i:end:end]) {
				return
			}
			i = end
		}
	}
}

// reset makes room for other nodes than those read so far, which become invalid.
func (r *entryReader) reset() {
	if cap(r.arena) > maxArena {
		r.arena = nil
	}
	r.arena = r.arena[:0]
}

// children reads the entries below the one that was read last. The node is valid until
// reset.
func (r *entryReader) children(parent *entry) (node, error) {
	begin := len(r.arena)
	r.arena = append(r.arena, *parent)
	if parent.children {
		left := maxTreeFields
		if err := r.nodes(1, &left); err != nil {
			return nil, fmt.Errorf("read DWARF entry at %#x: %w", parent.offset, err)
		}
	}
	n := node(r.arena[begin:len(r.arena):len(r.arena)])
	n[0].below = int32(len(n) - 1)
	return n, nil
}

// nodes reads entries up to the end of the children. left is how many entries and fields
// may follow.
func (r *entryReader) nodes(depth int, left *int) error {
	for {
		i := len(r.arena)
		r.arena = append(r.arena, entry{})
		e := &r.arena[i]
		err := r.nextInUnit(e)
		if err != nil || e.tag == 0 {
			r.arena = r.arena[:i]
			return err
		}
		if *left -= 1 + int(e.fieldCount); *left < 0 {
			return fmt.Errorf("%w: a function with more than %d entries and fields", ErrTooLarge, maxTreeFields)
		}
		if e.children && depth < maxTreeDepth {
			err = r.nodes(depth+1, left)
		} else {
			err = r.skipChildren(e)
		}
		if err != nil {
			return err
		}
		r.arena[i].below = int32(len(r.arena) - i - 1)
	}
}

// skipChildren skips the entries below the one that was read last. It does not use
// DW_AT_sibling, which need not point forward.
func (r *entryReader) skipChildren(parent *entry) error {
	if !parent.children {
		return nil
	}
	var e entry
	for open := 1; open > 0; {
		err := r.nextInUnit(&e)
		switch {
		case err != nil:
			return err
		case e.tag == 0:
			open--
		case e.children:
			open++
		}
	}
	return nil
}

// nextInUnit reads the unit's next entry. The end of the unit is an error, because lists
// of children are terminated.
func (r *entryReader) nextInUnit(e *entry) error {
	ok, err := r.next(e)
	if err != nil {
		return err
	}
	if !ok || beginsUnit(e) {
		return io.ErrUnexpectedEOF
	}
	if err := e.checkName(); err != nil {
		return err
	}
	return r.check.pass(1 + int(e.fieldCount))
}

// at reads the entry at an offset.
func (r *entryReader) entryAt(offset dwarf.Offset) (entry, error) {
	var e entry
	r.seek(offset)
	ok, err := r.next(&e)
	if err == nil && !ok {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = e.checkName()
	}
	if err != nil {
		return e, fmt.Errorf("read DWARF entry at %#x: %w", offset, err)
	}
	return e, nil
}

// nodeAt reads the entry at an offset and those below it. The node is valid until reset.
func (r *entryReader) nodeAt(offset dwarf.Offset) (node, error) {
	e, err := r.entryAt(offset)
	if err != nil {
		return nil, err
	}
	return r.children(&e)
}

// isVariable reports whether an entry is an argument or a variable.
func (e *entry) isVariable() bool {
	return e.tag == dwarf.TagFormalParameter || e.tag == dwarf.TagVariable
}

// languageGo is DW_LANG_Go.
const languageGo = 22

// unit is a compile unit of Go code. The linker makes one for each package, and others
// for assembly.
type unit struct {
	name        string
	entry       *dwarf.Entry
	lowPC       uint64
	addrBase    int64
	addrBytes   int
	hasLoclists bool
	lines       *lineTable
}

// beginsUnit reports whether an entry is the first of a unit.
func beginsUnit(e *entry) bool {
	return e.tag == dwarf.TagCompileUnit || e.tag == dwarf.TagPartialUnit || e.tag == dwarf.TagTypeUnit
}

// isGoCode reports whether a unit was compiled from Go. Units of assembly also have Go as
// their language.
func (a *rootAttributes) isGoCode() bool {
	return a.language == languageGo && !strings.Contains(a.producer, "cmd/asm")
}

// newUnit returns the unit of a first entry.
func newUnit(e *entry, root *rootAttributes) unit {
	u := unit{
		name:        e.name,
		entry:       &dwarf.Entry{Offset: e.offset, Tag: e.tag},
		lowPC:       e.low,
		addrBase:    root.addrBase,
		addrBytes:   e.unit.addrBytes,
		hasLoclists: root.hasAddrBase,
	}
	if root.hasStmtList {
		u.entry.Field = append(u.entry.Field,
			dwarf.Field{Attr: dwarf.AttrStmtList, Val: root.stmtList, Class: dwarf.ClassLinePtr},
			dwarf.Field{Attr: dwarf.AttrCompDir, Val: root.dir, Class: dwarf.ClassString})
	}
	return u
}
