package gosym

import (
	"debug/dwarf"
	"fmt"
	"io"
)

// maxTreeDepth bounds how deep entries may nest below a function; deeper ones are
// left out. Inlining nests calls, to a depth of some twenty in real programs.
const maxTreeDepth = 128

// maxTreeFields bounds the entries below a function, with their fields. In cmd/compile
// the largest function has 13,000.
const maxTreeFields = 1 << 19

// node is an entry with the entries below it.
type node struct {
	*dwarf.Entry
	nodes []node
}

// readChildren reads what lies below the entry that r has just returned.
func readChildren(r *dwarf.Reader, parent *dwarf.Entry) (node, error) {
	n := node{Entry: parent}
	if !parent.Children {
		return n, nil
	}
	var err error
	left := maxTreeFields
	n.nodes, err = readNodes(r, 1, &left)
	if err != nil {
		return n, fmt.Errorf("read DWARF entry at %#x: %w", parent.Offset, err)
	}
	return n, nil
}

// readNodes reads entries up to the end of them, as long as some are left.
func readNodes(r *dwarf.Reader, depth int, left *int) ([]node, error) {
	var nodes []node
	for {
		e, err := nextEntry(r)
		if err != nil || e.Tag == 0 {
			return nodes, err
		}
		if *left -= 1 + len(e.Field); *left < 0 {
			return nil, fmt.Errorf("%w: a function with more than %d entries and fields", ErrTooLarge, maxTreeFields)
		}
		n := node{Entry: e}
		if e.Children && depth < maxTreeDepth {
			n.nodes, err = readNodes(r, depth+1, left)
		} else {
			err = skipChildren(r, e)
		}
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
}

// skipChildren reads over what lies below the entry that r has just returned. It
// does without DW_AT_sibling, which need not point forward.
func skipChildren(r *dwarf.Reader, parent *dwarf.Entry) error {
	if !parent.Children {
		return nil
	}
	for open := 1; open > 0; {
		e, err := nextEntry(r)
		switch {
		case err != nil:
			return err
		case e.Tag == 0:
			open--
		case e.Children:
			open++
		}
	}
	return nil
}

// nextEntry is the unit's next entry. That there is none is an error: a unit ends
// with an entry that says so.
func nextEntry(r *dwarf.Reader) (*dwarf.Entry, error) {
	e, err := r.Next()
	if err != nil {
		return nil, err
	}
	if e == nil || beginsUnit(e) {
		return nil, io.ErrUnexpectedEOF
	}
	return e, nil
}

// nodeAt reads the entry at an offset, with all below it.
func nodeAt(r *dwarf.Reader, offset dwarf.Offset) (node, error) {
	r.Seek(offset)
	e, err := r.Next()
	if err != nil {
		return node{}, fmt.Errorf("read DWARF entry at %#x: %w", offset, err)
	}
	if e == nil {
		return node{}, fmt.Errorf("read DWARF entry at %#x: %w", offset, io.ErrUnexpectedEOF)
	}
	return readChildren(r, e)
}

// isVariable reports whether an entry is an argument or a variable.
func isVariable(e *dwarf.Entry) bool {
	return e.Tag == dwarf.TagFormalParameter || e.Tag == dwarf.TagVariable
}

func nameOf(e *dwarf.Entry) string {
	name, _ := e.Val(dwarf.AttrName).(string)
	return name
}

// lineOf is the line of an entry's declaration, 0 where it has none.
func lineOf(e *dwarf.Entry) int32 {
	line, ok := e.Val(dwarf.AttrDeclLine).(int64)
	if !ok || line < 0 || line > maxLine {
		return 0
	}
	return int32(line)
}
