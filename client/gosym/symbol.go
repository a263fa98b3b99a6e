package gosym

import (
	"debug/dwarf"
	"strings"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
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

// symbol adds an argument or a local variable to scope, unless the compiler made
// it. rows are those of the block it lies in.
func (w *walk) symbol(f *function, n node, rows []row, scope *symdbv1.Scope) error {
	symbolType := symbolLocal
	if n.Tag == dwarf.TagFormalParameter {
		symbolType = symbolArg
	}
	declaration := n.Entry
	var lines []span
	if f.unit != nil {
		lines, w.pcs = w.locations.lines(n.Entry, f.unit, rows, w.pcs)
	}
	if origin, ok := n.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset); ok {
		abstract := f.abstractVariable(origin)
		if abstract == nil {
			return nil
		}
		f.seen[origin] = true
		declaration = abstract
	}
	if f.inlined != nil {
		lines = union(lines, f.inlined.values[declaration.Offset])
	}
	name := nameOf(declaration)
	if temporary(name, symbolType) {
		return nil
	}
	typeName, err := w.types.of(declaration)
	if err != nil {
		return err
	}
	if escaped, ok := strings.CutPrefix(name, "&"); ok {
		name, typeName = escaped, strings.TrimPrefix(typeName, "*")
	}
	line := lineOf(declaration)
	if line == 0 {
		line = f.line
	}
	if symbolType == symbolLocal {
		lines = from(lines, line)
	}
	s := &symdbv1.Symbol{
		Name:       new(name),
		Type:       new(typeName),
		SymbolType: symbolType,
		Line:       new(line),
	}
	if len(lines) > 0 {
		s.LanguageSpecifics = &symdbv1.LanguageSpecifics{
			AvailableLineRanges: lineRanges(bridge(lines, f.lines)),
		}
	}
	scope.Symbols = append(scope.Symbols, s)
	return nil
}

// temporary reports whether the compiler made the variable of that name: those of
// its own, and parts of a result that it took apart.
func temporary(name, symbolType string) bool {
	return name == "" || strings.Contains(name, ".") ||
		symbolType == symbolLocal && strings.HasPrefix(name, "~")
}

// abstractVariable is the variable of the function's abstract entry at that
// offset, nil if there is none.
func (f *function) abstractVariable(offset dwarf.Offset) *dwarf.Entry {
	for _, n := range f.abstract.nodes {
		if n.Offset == offset {
			return n.Entry
		}
	}
	return nil
}
