package gosym

import (
	"cmp"
	"debug/dwarf"
	"fmt"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// Kinds of scopes and symbols of Go.
const (
	scopePackage  = "package"
	scopeFunction = "function"
	scopeStruct   = "struct"
	scopeMethod   = "method"
	scopeLocal    = "local"

	symbolField = "field"
	symbolArg   = "arg"
	symbolLocal = "local"
)

// maxBlockDepth bounds the nesting of blocks below a function; the last one has the
// variables of deeper ones. So a root scope does not exceed the depth that a server
// accepts.
const maxBlockDepth = 48

// attrGoClosureOffset marks a captured variable of a function literal.
const attrGoClosureOffset = dwarf.Attr(0x2907)

// variables reads a function's arguments, variables and blocks.
func (w *walk) variables(f *function) error {
	if f.node != nil {
		if err := w.findEscaped(f, f.node, f.runs); err != nil {
			return err
		}
		f.findCaptured()
		if err := w.findDoubtful(f); err != nil {
			return err
		}
		if err := w.block(f, f.node, f.runs, &f.body, 0); err != nil {
			return err
		}
	}
	slices.Sort(f.seen)
	seen := f.seen
	for n := range f.abstract.children() {
		if !n.entry().isVariable() {
			continue
		}
		if _, ok := slices.BinarySearch(seen, n.entry().offset); ok {
			continue
		}
		if err := w.variable(f, n.entry(), nil, &f.body); err != nil {
			return err
		}
	}
	return nil
}

// block reads into b the variables and blocks of n, a function or a block of it. runs is
// its code.
func (w *walk) block(f *function, n node, runs []run, b *block, depth int) error {
	count := 0
	for child := range n.children() {
		if child.entry().isVariable() {
			count++
		}
	}
	b.variables = slices.Grow(b.variables, count)
	for child := range n.children() {
		if child.entry().isVariable() {
			if err := w.variable(f, child.entry(), runs, b); err != nil {
				return err
			}
		}
		if child.entry().tag != dwarf.TagLexDwarfBlock {
			continue
		}
		inner := &block{}
		end := len(w.runs)
		code, err := w.codeOfBlock(child, runs)
		if err != nil {
			return err
		}
		if lines := linesOf(code); len(lines) > 0 {
			inner.first, inner.last = lines[0].first, lines[len(lines)-1].last
		}
		if depth >= maxBlockDepth {
			err = w.block(f, child, code, b, depth)
		} else {
			err = w.block(f, child, code, inner, depth+1)
		}
		if err != nil {
			return err
		}
		w.runs = w.runs[:end]
		if len(inner.variables) > 0 || len(inner.blocks) > 0 {
			b.blocks = append(b.blocks, inner)
		}
	}
	return nil
}

// codeOfBlock appends to w.runs the part of runs, the code around a block, that is the block's,
// and returns it.
func (w *walk) codeOfBlock(n node, runs []run) ([]run, error) {
	ranges, err := w.dwarf.ranges(nil, n.entry(), w.check)
	if err != nil {
		return nil, fmt.Errorf("read PC ranges of block: %w", err)
	}
	end := len(w.runs)
	w.runs = appendRunsIn(w.runs, runs, sortRanges(ranges))
	return w.runs[end:], w.mayNest(w.runs[end:])
}

// mayNest fails if the code of nested blocks, of which this is the innermost, is too much, or
// if the work is to stop.
func (w *walk) mayNest(code []run) error {
	if len(w.runs) > maxUnitRows {
		return tooManyRows()
	}
	return w.check.pass(len(code) / shortSteps)
}

// variable adds an argument or a local variable to b, unless the compiler made it. runs
// is the code of b.
func (w *walk) variable(f *function, e *entry, runs []run, b *block) error {
	if f.lastCaptured < e.offset && e.offset <= f.lastDoubtful {
		return nil
	}
	if err := w.check.pass((len(f.escaped) + len(b.variables)) / shortSteps); err != nil {
		return err
	}
	declaration, inAbstract := e, f.abstractVariable(e.offset) != nil
	if e.has&hasOrigin != 0 {
		if declaration = f.abstractVariable(e.origin); declaration == nil {
			return nil
		}
		f.seen = append(f.seen, e.origin)
		inAbstract = true
	}
	v := variable{name: declaration.name, line: declaration.line, arg: e.tag == dwarf.TagFormalParameter}
	captured := e.has&isCaptured != 0 ||
		v.arg && (e.offset <= f.lastCaptured || !inAbstract && f.abstract != nil && !strings.HasPrefix(v.name, "~"))
	name, isAddress := strings.CutPrefix(v.name, "&")
	heap := f.heapCopy(name, v.line, v.arg)
	switch {
	case isAddress && (!token.IsIdentifier(name) || !captured && (heap == nil || !heap.alone)):
		return nil
	case isAddress:
		v.name = name
	case !f.lists(&v):
		return nil
	case !v.arg && !captured && !inAbstract && (f.abstract != nil || e.isPart()):
		return nil
	}
	var err error
	switch {
	case heap != nil && !captured:
		v.lines = heap.lines
	case f.unit != nil:
		if v.lines, w.pcs, err = w.locations.lines(e, f.unit, runs, w.pcs, w.check); err != nil {
			return err
		}
	}
	if inAbstract && f.inlined != nil {
		lines, err := w.index.inlined.valueLines(f.inlined, declaration.offset, w.check)
		if err != nil {
			return err
		}
		v.lines = union(v.lines, f.within(b, lines))
	}
	if v.typeName, err = w.types.name(declaration); err != nil {
		return err
	}
	if isAddress {
		v.typeName = strings.TrimPrefix(v.typeName, "*")
	}
	if err := w.check.pass(len(f.arguments) * len(v.typeName) / textBytes); err != nil {
		return err
	}
	if slices.ContainsFunc(f.arguments, func(argument string) bool { return strings.Contains(v.typeName, argument) }) {
		v.typeName = typeArgument
	}
	if v.line == 0 || captured {
		v.line = f.line
	}
	v.arg = v.arg && !captured
	switch {
	case v.arg:
	case f.isForeign(v.line):
		return nil
	case f.node == nil:
		v.lines = nil // It is unknown where its block ends.
	default:
		v.lines = from(v.lines, v.line)
	}
	if !v.arg && v.line < f.line {
		// A //line directive went back, so lines from the function's first on came before.
		v.lines = before(v.lines, f.line)
	}
	b.add(&v)
	return w.grow(v.bytes())
}

// abstractVariable returns the variable of the function's abstract entry at that offset,
// or nil.
func (f *function) abstractVariable(offset dwarf.Offset) *entry {
	i, found := slices.BinarySearchFunc(f.abstractEntries, offset, func(e *entry, offset dwarf.Offset) int {
		return cmp.Compare(e.offset, offset)
	})
	if !found {
		return nil
	}
	return f.abstractEntries[i]
}

// lists reports whether a variable was written: a named one, or an argument without a
// name, except in the body of a loop, where the compiler makes those. Names made by the
// compiler are not identifiers. lists corrects the number of an argument without a name
// if the compiler counted its dictionary.
func (f *function) lists(v *variable) bool {
	if token.IsIdentifier(v.name) {
		return v.name != "_"
	}
	if !v.arg || f.loop || !isNumbered(v.name, "~p") && !isNumbered(v.name, "~r") {
		return false
	}
	if number, ok := strings.CutPrefix(v.name, "~p"); ok && f.shaped {
		if n, err := strconv.Atoi(number); err == nil && n > 0 {
			v.name = "~p" + strconv.Itoa(n-1)
		}
	}
	return true
}

// isPart reports whether a local variable is a part, without size, of a variable that the
// compiler split. In optimized code other variables without size look the same; they
// have no value to see either.
func (e *entry) isPart() bool {
	return len(e.expression) == 1 && e.expression[0] == opCallFrameCFA
}

// isForeign reports whether a variable of that line may be declared in another file than
// the function, due to a //line directive in it.
func (f *function) isForeign(line int32) bool {
	if f.node == nil {
		return f.inlined != nil && f.inlined.mixed
	}
	only := []span{{line, line}}
	outside := line < f.line || line > f.lastLine()
	return len(f.foreign) > 0 && (outside && !covers(f.lines, only) || covers(f.foreign, only))
}

// within returns the lines in b, a block of the function or its body.
func (f *function) within(b *block, lines []span) []span {
	if b == &f.body || len(lines) == 0 {
		return lines
	}
	lines = from(lines, b.first)
	if i := slices.IndexFunc(lines, func(s span) bool { return s.last > b.last }); i >= 0 {
		cut := slices.Clone(lines[:i+1])
		if cut[i].last = b.last; cut[i].first > b.last {
			cut = cut[:i]
		}
		return cut
	}
	return lines
}

// findCaptured finds the arguments that are captured variables: if a function literal is
// called at once, the compiler passes captured variables before the declared arguments.
// Their lines, where they are declared or first used, can't be those of an argument,
// because code of the body precedes them.
func (f *function) findCaptured() {
	if !f.literal || f.abstract != nil {
		return
	}
	signature := f.signatureLine()
	body := from(f.lines, signature+1)
	for child := range f.children() {
		e := child.entry()
		if e.tag != dwarf.TagFormalParameter || e.has&isResult != 0 {
			continue
		}
		if strings.HasPrefix(e.name, "&") || e.line < f.line || e.line > f.lastLine() ||
			e.line > signature && len(body) > 0 && body[0].first <= e.line {
			f.lastCaptured = e.offset
		}
	}
}

// signatureLine returns the last line of a function's signature that is known: its first
// line, or the last with a result.
func (f *function) signatureLine() int32 {
	line := f.line
	for child := range f.children() {
		if e := child.entry(); e.has&isResult != 0 {
			line = max(line, e.line)
		}
	}
	return line
}

// findDoubtful finds the arguments that may also be captured variables: if a function
// literal is on one line, or its first lines have no code, only names and types
// distinguish captured variables from declared arguments.
func (w *walk) findDoubtful(f *function) error {
	if !f.literal || f.loop || f.abstract != nil {
		return nil
	}
	var around []variable
	signature := f.signatureLine()
	for child := range f.children() {
		e := child.entry()
		if e.has&isCaptured != 0 {
			return nil // Captured variables are not passed as arguments.
		}
		if e.tag != dwarf.TagFormalParameter || e.has&isResult != 0 || e.offset <= f.lastCaptured {
			continue
		}
		if e.line <= signature && e.line < f.lastLine() {
			return nil
		}
		typeName, err := w.types.name(e)
		if err != nil {
			return err
		}
		if around == nil {
			if err := w.check.pass(len(w.pkg.functions) / shortSteps); err != nil {
				return err
			}
			if around, err = w.variablesOf(w.enclosing(f)); err != nil {
				return err
			}
		}
		if err := w.check.pass(len(around) / shortSteps); err != nil {
			return err
		}
		if !slices.ContainsFunc(around, func(v variable) bool {
			return v.name == e.name && v.typeName == typeName && v.line <= f.line
		}) {
			return nil // Captured variables come first.
		}
		f.lastDoubtful = e.offset
	}
	return nil
}

// enclosing returns the function that encloses a function literal of the package, and
// the bodies of loops in it: the name does not say which of them the literal is in.
func (w *walk) enclosing(literal *function) []functionIndex {
	outer := literal.qualified[:max(strings.LastIndexAny(literal.qualified, ".-"), 0)]
	var out []functionIndex
	add := func(functions []functionIndex) {
		for _, f := range functions {
			rest, ok := strings.CutPrefix(f.qualified, outer)
			isLoop := strings.HasPrefix(rest, "-range") && slices.ContainsFunc(f.instances, func(inst instance) bool {
				return inst.last(w.index.inlined) >= literal.line
			})
			if ok && (rest == "" || isLoop) {
				out = append(out, f)
			}
		}
	}
	add(w.pkg.functions)
	for _, t := range w.pkg.types {
		add(t.methods)
	}
	return out
}

// variablesOf returns all variables of some functions, without their lines.
func (w *walk) variablesOf(functions []functionIndex) ([]variable, error) {
	var out []variable
	for _, f := range functions {
		for _, inst := range f.instances {
			entries := make([]dwarf.Offset, 0, 2)
			if inst.hasCode {
				entries = append(entries, inst.concrete)
			}
			if inst.hasAbstract {
				entries = append(entries, inst.abstract)
			}
			for _, entry := range entries {
				nodes := len(w.reader.arena)
				n, err := w.reader.nodeAt(entry)
				w.reader.arena = w.reader.arena[:nodes]
				if err != nil {
					return nil, err
				}
				if out, err = w.appendVariables(out, n); err != nil {
					return nil, err
				}
			}
		}
	}
	return out, nil
}

// appendVariables appends the variables in n and its blocks.
func (w *walk) appendVariables(dst []variable, n node) ([]variable, error) {
	for child := range n.children() {
		var err error
		switch child.entry().tag {
		case dwarf.TagLexDwarfBlock:
			dst, err = w.appendVariables(dst, child)
		case dwarf.TagFormalParameter, dwarf.TagVariable:
			v := variable{name: child.entry().name, line: child.entry().line}
			if v.typeName, err = w.types.name(child.entry()); err == nil {
				err = w.grow(v.bytes())
			}
			dst = append(dst, v)
		default:
		}
		if err != nil {
			return nil, err
		}
	}
	return dst, nil
}
