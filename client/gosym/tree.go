package gosym

import (
	"debug/dwarf"
	"fmt"
	"io"
	"strings"
)

// maxTreeDepth bounds the nesting of entries below a function; deeper ones are left
// out. Inlining nests calls, to a depth of about twenty in real programs.
const maxTreeDepth = 128

// maxTreeFields bounds the entries and fields below a function. In cmd/compile the
// largest function has 13,000.
const maxTreeFields = 1 << 19

// entryReader reads entries, with a checkpoint at each.
type entryReader struct {
	*dwarf.Reader

	check *checkpoint
}

// node is an entry with its children.
type node struct {
	*dwarf.Entry
	nodes []node
}

// readChildren reads the entries below the one that r has just returned.
func readChildren(r entryReader, parent *dwarf.Entry) (node, error) {
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

// readNodes reads entries up to the end of the children. left is how many entries and
// fields may follow.
func readNodes(r entryReader, depth int, left *int) ([]node, error) {
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

// skipChildren skips the entries below the one that r has just returned. It does not use
// DW_AT_sibling, which need not point forward.
func skipChildren(r entryReader, parent *dwarf.Entry) error {
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

// nextEntry returns the unit's next entry. The end of the unit is an error, because
// lists of children are terminated.
func nextEntry(r entryReader) (*dwarf.Entry, error) {
	e, err := r.Next()
	if err != nil {
		return nil, err
	}
	if e == nil || beginsUnit(e) {
		return nil, io.ErrUnexpectedEOF
	}
	return e, r.check.pass(1 + len(e.Field))
}

// nodeAt reads the entry at an offset and its children.
func nodeAt(r entryReader, offset dwarf.Offset) (node, error) {
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

// lineOf returns the line of an entry's declaration, or 0.
func lineOf(e *dwarf.Entry) int32 {
	line, ok := e.Val(dwarf.AttrDeclLine).(int64)
	if !ok || line < 0 || line > maxLine {
		return 0
	}
	return int32(line)
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
}

// beginsUnit reports whether an entry is the first of a unit.
func beginsUnit(e *dwarf.Entry) bool {
	return e.Tag == dwarf.TagCompileUnit || e.Tag == dwarf.TagPartialUnit || e.Tag == dwarf.TagTypeUnit
}

// isGoCode reports whether a unit was compiled from Go. Units of assembly also have Go as
// their language.
func isGoCode(e *dwarf.Entry) bool {
	language, _ := e.Val(dwarf.AttrLanguage).(int64)
	producer, _ := e.Val(dwarf.AttrProducer).(string)
	return language == languageGo && !strings.Contains(producer, "cmd/asm")
}

func newUnit(e *dwarf.Entry, addrBytes int) unit {
	u := unit{entry: e, addrBytes: addrBytes}
	u.name, _ = e.Val(dwarf.AttrName).(string)
	u.lowPC, _ = e.Val(dwarf.AttrLowpc).(uint64)
	u.addrBase, u.hasLoclists = e.Val(dwarf.AttrAddrBase).(int64)
	return u
}
