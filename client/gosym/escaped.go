package gosym

import (
	"debug/dwarf"
	"slices"
	"sort"
	"strings"
)

// escaped is a variable `x` that was moved to the heap. The compiler makes a
// variable `&x` with its address. If there is an `x` too, such as an argument, it
// has the value before the move.
type escaped struct {
	name  string
	line  int32
	lines []span
	// alone means that there is no `x`.
	alone bool
}

// heapCopy returns the escaped variable with that name and line, or nil. The line
// of an argument may be unknown.
func (f *function) heapCopy(name string, line int32, arg bool) *escaped {
	for i := range f.escaped {
		if e := &f.escaped[i]; e.name == name && (e.line == line || arg && line == 0) {
			return e
		}
	}
	return nil
}

// findEscaped records the function's escaped variables in n, which is the function
// or a block of it.
func (w *walk) findEscaped(f *function, n node, runs []run) error {
	for child := range n.children() {
		switch child.entry().tag {
		case dwarf.TagLexDwarfBlock:
			if !hasAddress(child) {
				continue
			}
			end := len(w.runs)
			code, err := w.codeOfBlock(child, runs)
			if err != nil {
				return err
			}
			if err := w.findEscaped(f, child, code); err != nil {
				return err
			}
			w.runs = w.runs[:end]
		case dwarf.TagVariable:
			if !child.entry().isAddress() {
				continue
			}
			e := escaped{name: child.entry().name[1:], line: child.entry().line}
			own, err := w.declares(f, &e)
			if err != nil {
				return err
			}
			if own {
				if e.lines, w.pcs, err = w.locations.lines(child.entry(), f.unit, runs, w.pcs, w.check); err != nil {
					return err
				}
				own = !e.alone || f.allocates(child.entry(), e.line, w.pcs)
			}
			if own {
				f.escaped = append(f.escaped, e)
				if err := w.grow(rangeBytes * len(e.lines)); err != nil {
					return err
				}
			}
		default:
		}
	}
	return nil
}

// isAddress reports whether an entry is the address of an escaped variable, and is
// not captured from an enclosing function.
func (e *entry) isAddress() bool {
	return e.tag == dwarf.TagVariable && strings.HasPrefix(e.name, "&") && e.has&isCaptured == 0
}

// hasAddress reports whether a block has the address of an escaped variable.
func hasAddress(n node) bool {
	for child := range n.children() {
		if child.entry().isAddress() || child.entry().tag == dwarf.TagLexDwarfBlock && hasAddress(child) {
			return true
		}
	}
	return false
}

// declares reports whether the function itself declares an escaped variable, as
// opposed to a function inlined into it. It sets e.alone.
func (w *walk) declares(f *function, e *escaped) (bool, error) {
	if err := w.check.pass((len(f.node) + len(f.abstract)) / shortSteps); err != nil {
		return false, err
	}
	found, exact := f.entryOf(f.node, e)
	if !found {
		found, exact = f.entryOf(f.abstract, e)
	}
	e.alone = !found
	switch {
	case exact:
		return true, nil
	case !found && f.abstract != nil, e.line < f.line, e.line > f.lastLine():
		return false, nil
	case found && e.line == f.line:
		return true, nil
	}
	inlined, err := w.inlines(f.node, e)
	return !inlined, err
}

// allocates reports whether an escaped variable without its own entry is allocated
// on the line where the function declares it. The code of a small inlined function
// may be attributed to its caller, without a trace of the function itself. ranges
// are the PCs where the address is known.
func (f *function) allocates(address *entry, line int32, ranges [][2]uint64) bool {
	if address.has&hasExpression != 0 {
		return true // The code is not optimized.
	}
	return slices.ContainsFunc(ranges, func(r [2]uint64) bool {
		i := sort.Search(len(f.runs), func(i int) bool { return f.runs[i].hi >= r[0] })
		return i < len(f.runs) && f.runs[i].lo < r[0] && f.runs[i].line == line
	})
}

// entryOf looks for the entry of an escaped variable in n: the function, a block of
// it, or its abstract entry. exact means that the line is the same; the line of an
// argument may be unknown.
func (f *function) entryOf(n node, e *escaped) (found, exact bool) {
	for child := range n.children() {
		if child.entry().tag == dwarf.TagLexDwarfBlock {
			if found, exact := f.entryOf(child, e); found {
				return found, exact
			}
			continue
		}
		declaration := child.entry()
		if !declaration.isVariable() {
			continue
		}
		if declaration.has&hasOrigin != 0 {
			if declaration = f.abstractVariable(declaration.origin); declaration == nil {
				continue
			}
		}
		if declaration.name != e.name {
			continue
		}
		if line := declaration.line; line == e.line || line == 0 {
			return true, line == e.line
		}
	}
	return false, false
}

// inlines reports whether a function inlined into n declares an escaped variable.
func (w *walk) inlines(n node, e *escaped) (bool, error) {
	for child := range n.children() {
		if child.entry().tag != dwarf.TagInlinedSubroutine && child.entry().tag != dwarf.TagLexDwarfBlock {
			continue
		}
		if inlined, err := w.inlines(child, e); inlined || err != nil {
			return inlined, err
		}
		if child.entry().has&hasOrigin == 0 {
			continue
		}
		origin := child.entry().origin
		nodes := len(w.reader.arena)
		callee, err := w.reader.nodeAt(origin)
		w.reader.arena = w.reader.arena[:nodes]
		if err != nil {
			return false, err
		}
		// Parameters have no line. They end where the body begins.
		first, last := callee.entry().line, callee.entry().line
		if begin, _, ok := w.index.inlined.ends(w.index.inlined.find(origin)); ok {
			last = max(last, begin)
		}
		for child := range callee.children() {
			v := child.entry()
			if !v.isVariable() || v.name != e.name {
				continue
			}
			if line := v.line; line == e.line || line == 0 && first <= e.line && e.line <= last {
				return true, nil
			}
		}
	}
	return false, nil
}
