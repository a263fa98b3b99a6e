package gosym

import (
	"slices"
	"strings"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// block is a function or a block in it, for building its scope.
type block struct {
	// first and last are the first and last line with code, or 0.
	first, last int32
	variables   []variable
	blocks      []*block
}

// variable is an argument or a local variable.
type variable struct {
	name, typeName string
	line           int32
	arg            bool
	// lines are the lines where it has a value.
	lines []span
}

// add adds a variable, or only its lines if the block has it already.
func (b *block) add(v *variable) {
	for i := range b.variables {
		if same := &b.variables[i]; same.is(v) && (v.arg || same.typeName == v.typeName) {
			same.lines = union(same.lines, v.lines)
			return
		}
	}
	b.variables = append(b.variables, *v)
}

// bytes returns about how much memory v takes in a scope.
func (v *variable) bytes() int {
	return symbolBytes + len(v.name) + len(v.typeName) + rangeBytes*len(v.lines)
}

// is reports whether v and other are the same variable of a function, or two with
// the same name on the same line.
func (v *variable) is(other *variable) bool {
	return v.name == other.name && v.arg == other.arg && (v.arg || v.line == other.line)
}

// find returns the variable in b, or in a block of it, that is the same as v, or nil.
func (b *block) find(v *variable, check *checkpoint) *variable {
	if check.pass(1+len(b.variables)/shortSteps) != nil {
		return nil
	}
	for i := range b.variables {
		if b.variables[i].is(v) {
			return &b.variables[i]
		}
	}
	for _, inner := range b.blocks {
		if found := inner.find(v, check); found != nil {
			return found
		}
	}
	return nil
}

// bytes returns about how much memory b takes in a scope.
func (b *block) bytes() int {
	sum := symbolBytes
	for i := range b.variables {
		sum += b.variables[i].bytes()
	}
	for _, inner := range b.blocks {
		sum += inner.bytes()
	}
	return sum
}

// sameArguments reports whether two functions have arguments with the same names.
func (b *block) sameArguments(other *block) bool {
	i := 0
	for _, v := range b.variables {
		if !v.arg {
			continue
		}
		for i < len(other.variables) && !other.variables[i].arg {
			i++
		}
		if i == len(other.variables) || other.variables[i].name != v.name {
			return false
		}
		i++
	}
	return !slices.ContainsFunc(other.variables[min(i, len(other.variables)):], func(v variable) bool { return v.arg })
}

// unite adds to b the variables and blocks of the same block in another instance
// of the function. all is the function. If known is set, only the lines of
// variables that the function has already are added. It stops once check has failed.
func (b *block) unite(all, other *block, known bool, check *checkpoint) {
	b.spread(other)
	for i := range other.variables {
		if check.err != nil {
			return
		}
		v := &other.variables[i]
		switch same := all.find(v, check); {
		case same != nil:
			same.lines = union(same.lines, v.lines)
			if !known {
				same.typeName = commonType(same.typeName, v.typeName)
			}
		case !known:
			b.variables = append(b.variables, *v)
		}
	}
	for _, inner := range other.blocks {
		if check.err != nil {
			return
		}
		mine := all.holder(inner, check)
		switch {
		case mine != nil:
		case known:
			mine = b
		default:
			mine = b.wrap(inner, check)
		}
		mine.unite(all, inner, known, check)
	}
}

// holder returns b or the block in it that declares a variable of other, or nil.
func (b *block) holder(other *block, check *checkpoint) *block {
	for i := range other.variables {
		if check.pass(1+len(b.variables)/shortSteps) != nil {
			return nil
		}
		if slices.ContainsFunc(b.variables, func(v variable) bool { return v.is(&other.variables[i]) }) {
			return b
		}
	}
	for _, inner := range b.blocks {
		if found := inner.holder(other, check); found != nil {
			return found
		}
	}
	return nil
}

// wrap adds a block to b, and moves into it those blocks of b that lie in other.
func (b *block) wrap(other *block, check *checkpoint) *block {
	outer := &block{}
	b.blocks = slices.DeleteFunc(b.blocks, func(inner *block) bool {
		if !inner.liesIn(other, check) {
			return false
		}
		outer.blocks = append(outer.blocks, inner)
		outer.spread(inner)
		return true
	})
	b.blocks = append(b.blocks, outer)
	return outer
}

// liesIn reports whether b, or a block in it, declares a variable of a block in
// other, at any depth.
func (b *block) liesIn(other *block, check *checkpoint) bool {
	return slices.ContainsFunc(other.blocks, func(inner *block) bool {
		return check.pass(1) == nil && b.holder(inner, check) != nil || b.liesIn(inner, check)
	})
}

// spread extends the lines of b to those of another instance of it.
func (b *block) spread(other *block) {
	b.last = max(b.last, other.last)
	if b.first == 0 || other.first > 0 && other.first < b.first {
		b.first = other.first
	}
}

// fill adds symbols and blocks to the scope of b. lines are those with code in
// the function.
func (b *block) fill(scope *symdbv1.Scope, lines []span) {
	scope.Symbols = make([]*symdbv1.Symbol, 0, len(b.variables))
	symbols := make([]symbol, len(b.variables))
	for _, arg := range []bool{true, false} {
		for i := range b.variables {
			if v := &b.variables[i]; v.arg == arg {
				scope.Symbols = append(scope.Symbols, symbols[i].fill(v, lines))
			}
		}
	}
	for _, inner := range b.blocks {
		local := &symdbv1.Scope{ScopeType: scopeLocal, Name: new(""), StartLine: inner.first, EndLine: inner.last}
		inner.fill(local, lines)
		scope.Scopes = append(scope.Scopes, local)
	}
}

// symbol is a Symbol together with the values it points to, to save allocations.
type symbol struct {
	symdbv1.Symbol

	name, typeName string
	line           int32
}

func (s *symbol) fill(v *variable, lines []span) *symdbv1.Symbol {
	s.name, s.typeName, s.line = strings.Clone(v.name), v.typeName, v.line
	s.Name, s.Type, s.Line = &s.name, &s.typeName, &s.line
	s.SymbolType = symbolLocal
	if v.arg {
		s.SymbolType = symbolArg
	}
	if len(v.lines) > 0 {
		s.LanguageSpecifics = &symdbv1.LanguageSpecifics{
			AvailableLineRanges: lineRanges(bridge(v.lines, lines)),
		}
	}
	return &s.Symbol
}
