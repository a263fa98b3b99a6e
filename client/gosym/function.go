package gosym

import (
	"debug/dwarf"
	"fmt"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// maxBlockDepth bounds how deep blocks nest below a function; the variables of
// deeper ones are listed in the last. It keeps a root scope under the depth that
// a server takes.
const maxBlockDepth = 48

// function is what is known of an instance of a function while its scope is
// built.
type function struct {
	node
	unit     *unit
	abstract node
	inlined  *inlined
	line     int32
	file     string
	ranges   [][2]uint64
	rows     []row
	lines    []span
	// seen has the abstract variables that the concrete ones refer to.
	seen map[dwarf.Offset]bool
}

// function builds the scope of a function or a method.
func (w *walk) function(f *functionIndex, scopeType string) (*symdbv1.Scope, error) {
	first, err := w.instance(&f.instances[primary(f.instances)])
	if err != nil {
		return nil, fmt.Errorf("function %s: %w", f.qualified, err)
	}
	for i := range f.instances {
		if i == primary(f.instances) {
			continue
		}
		other, err := w.instance(&f.instances[i])
		if err != nil {
			return nil, fmt.Errorf("function %s: %w", f.qualified, err)
		}
		if first.file == "" {
			first.file = other.file
		}
		if other.file == first.file {
			first.lines = union(first.lines, other.lines)
		}
	}
	scope := &symdbv1.Scope{
		ScopeType:          scopeType,
		Name:               new(unescape(f.name)),
		StartLine:          first.line,
		EndLine:            first.line,
		HasInjectibleLines: new(len(first.lines) > 0),
		InjectibleLines:    lineRanges(first.lines),
		LanguageSpecifics:  &symdbv1.LanguageSpecifics{GoQualifiedName: new(f.qualified)},
	}
	if first.file != "" {
		scope.SourceFile = new(first.file)
	}
	if n := len(first.lines); n > 0 {
		if scope.StartLine == 0 {
			scope.StartLine = first.lines[0].first
		}
		scope.EndLine = max(scope.StartLine, first.lines[n-1].last)
	}
	if err := w.variables(first, scope); err != nil {
		return nil, fmt.Errorf("function %s: %w", f.qualified, err)
	}
	return scope, nil
}

// primary is the first instance that has code of its own, or else the first.
func primary(instances []instance) int {
	for i := range instances {
		if instances[i].hasCode {
			return i
		}
	}
	return 0
}

// instance reads an instance of a function.
func (w *walk) instance(at *instance) (*function, error) {
	f := &function{seen: map[dwarf.Offset]bool{}}
	var err error
	if at.hasAbstract {
		if f.abstract, err = nodeAt(w.reader, at.abstract); err != nil {
			return nil, err
		}
		f.inlined = w.index.inlined[at.abstract]
		f.line = lineOf(f.abstract.Entry)
	}
	if at.hasCode {
		f.unit = &w.index.units[at.unit]
		if f.node, err = nodeAt(w.reader, at.concrete); err != nil {
			return nil, err
		}
		if err := w.code(f, at.unit); err != nil {
			return nil, err
		}
	}
	if f.inlined == nil {
		return f, nil
	}
	if f.file == "" {
		f.file = f.inlined.file
	}
	if f.file == f.inlined.file {
		f.lines = union(f.lines, f.inlined.lines)
	}
	return f, nil
}

// code fills in what a function's own code tells.
func (w *walk) code(f *function, unitNumber int) error {
	table, err := w.tables.of(unitNumber)
	if err != nil {
		return err
	}
	if f.line == 0 {
		f.line = lineOf(f.Entry)
	}
	ranges, err := w.dwarf.Ranges(f.Entry)
	if err != nil {
		return fmt.Errorf("read PC ranges: %w", err)
	}
	calls, err := w.inlinedCalls(nil, f.node)
	if err != nil {
		return err
	}
	f.ranges = sortRanges(ranges)
	f.rows = table.statements(nil, subtract(f.ranges, sortRanges(calls)))
	file := table.fileOf(f.Entry)
	if file < 0 {
		file = mainFile(f.rows)
	}
	f.file = table.fileName(file)
	f.rows = inFile(f.rows, file)
	f.lines = linesOf(f.rows)
	return nil
}

// inlinedCalls appends to dst the PC ranges of calls inlined into the function,
// without those inside others.
func (w *walk) inlinedCalls(dst [][2]uint64, n node) ([][2]uint64, error) {
	for _, child := range n.nodes {
		switch child.Tag {
		case dwarf.TagInlinedSubroutine:
			ranges, err := w.dwarf.Ranges(child.Entry)
			if err != nil {
				return nil, fmt.Errorf("read PC ranges of inlined call: %w", err)
			}
			dst = append(dst, ranges...)
		case dwarf.TagLexDwarfBlock:
			var err error
			if dst, err = w.inlinedCalls(dst, child); err != nil {
				return nil, err
			}
		default:
		}
	}
	return dst, nil
}

// variables adds a function's arguments, variables and blocks to its scope.
func (w *walk) variables(f *function, scope *symdbv1.Scope) error {
	if f.Entry != nil {
		if err := w.add(f, f.node, f.rows, scope, 0); err != nil {
			return err
		}
	}
	if f.abstract.Entry == nil {
		return nil
	}
	for _, n := range f.abstract.nodes {
		if f.seen[n.Offset] || !isVariable(n.Entry) {
			continue
		}
		if err := w.symbol(f, n, nil, scope); err != nil {
			return err
		}
	}
	argumentsFirst(scope)
	return nil
}

// argumentsFirst moves arguments, of which some may have been added last, to the
// front; otherwise the order stays.
func argumentsFirst(scope *symdbv1.Scope) {
	var args, locals []*symdbv1.Symbol
	for _, s := range scope.GetSymbols() {
		if s.GetSymbolType() == symbolArg {
			args = append(args, s)
			continue
		}
		locals = append(locals, s)
	}
	scope.Symbols = append(args, locals...)
}

// add adds what lies in a function, or in a block of it, to scope. rows are those
// of the block.
func (w *walk) add(f *function, n node, rows []row, scope *symdbv1.Scope, depth int) error {
	for _, child := range n.nodes {
		var err error
		if isVariable(child.Entry) {
			err = w.symbol(f, child, rows, scope)
		} else if child.Tag == dwarf.TagLexDwarfBlock {
			err = w.block(f, child, rows, scope, depth)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// block adds a block in n to scope, unless it declares nothing.
func (w *walk) block(f *function, n node, outer []row, scope *symdbv1.Scope, depth int) error {
	ranges, err := w.dwarf.Ranges(n.Entry)
	if err != nil {
		return fmt.Errorf("read PC ranges of block: %w", err)
	}
	rows := rowsAt(outer, sortRanges(ranges))
	if depth >= maxBlockDepth {
		return w.add(f, n, rows, scope, depth)
	}
	local := &symdbv1.Scope{ScopeType: scopeLocal, Name: new("")}
	if lines := linesOf(rows); len(lines) > 0 {
		local.StartLine, local.EndLine = lines[0].first, lines[len(lines)-1].last
	}
	if err := w.add(f, n, rows, local, depth+1); err != nil {
		return err
	}
	if len(local.GetSymbols()) > 0 || len(local.GetScopes()) > 0 {
		scope.Scopes = append(scope.Scopes, local)
	}
	return nil
}
