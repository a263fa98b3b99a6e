package oracle

import (
	"slices"
	"strings"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// variables checks the arguments and the local variables of a function.
func (c *checking) variables(f *function, pkg string, s *symdbv1.Scope) {
	at := pkg + " " + s.GetName()
	c.arguments(f, at, s)
	c.localVariables(f, at, s)
}

// argKind returns the kind of an argument that is not declared.
func argKind(name string) string {
	if strings.HasPrefix(name, "~r") {
		return Results
	}
	return Args
}

// arguments checks that a function has its receiver, parameters and results, in
// order, each once.
func (c *checking) arguments(f *function, at string, s *symdbv1.Scope) {
	seen := map[string]int{}
	var order []int
	for _, symbol := range s.GetSymbols() {
		if symbol.GetSymbolType() != "arg" {
			continue
		}
		i := slices.IndexFunc(f.args, func(v variable) bool { return v.name == symbol.GetName() })
		if i < 0 {
			kind := argKind(symbol.GetName())
			c.checked[kind]++
			c.add(kind, False, c.whyNot(f, symbol), "%s: %s, line %d", at, symbol.GetName(), symbol.GetLine())
			continue
		}
		v := f.args[i]
		kind := v.kind()
		c.checked[kind]++
		if seen[v.name]++; seen[v.name] > 1 {
			c.add(kind, Repeated, "twice", "%s: %s", at, v.name)
			continue
		}
		order = append(order, i)
		if line := symbol.GetLine(); line != v.line && line != v.other || v.file != s.GetSourceFile() {
			c.add(kind, False, "another line", "%s: %s at line %d, declared at %s:%d",
				at, v.name, symbol.GetLine(), v.file, v.line)
		}
		c.typeOf(v, at, symbol)
	}
	if !slices.IsSorted(order) {
		c.add(Args, False, "another order", "%s: %v", at, order)
	}
	for _, v := range f.args {
		if seen[v.name] == 0 {
			c.missing(v.kind(), f, s, at, v)
		}
	}
}

func (v variable) kind() string {
	if v.result {
		return Results
	}
	return Args
}

// missing records that a variable is not listed, and why.
func (c *checking) missing(kind string, f *function, s *symdbv1.Scope, at string, v variable) {
	reason := "the debug information does not have it"
	line := int32(0)
	if kind == Locals {
		line = v.line
	}
	switch {
	case v.file != f.file:
		reason = "in another file than its function"
	case kind == Locals && v.noSize:
		reason = "it has no size"
	case kind == Args && f.doubtful(v):
		reason = "it could be captured"
	case c.Kept.has(s.GetLanguageSpecifics().GetGoQualifiedName(), v.name, line):
		reason = InDWARF
	}
	c.add(kind, Missing, reason, "%s: %s, line %d", at, v.name, v.line)
}

// doubtful reports whether a parameter may also be a captured variable, which the
// compiler makes a parameter too: it is after the first line of a literal, or the
// literal is on one line, and the enclosing function has a variable of that name.
func (f *function) doubtful(v variable) bool {
	if f.kind != literal || v.line != f.body.last && v.line == f.line {
		return false
	}
	named := func(other variable) bool { return other.name == v.name }
	for p := f.parent; p != nil; p = p.parent {
		around := slices.Concat(p.args, p.locals)
		for _, inner := range p.inner {
			if inner.kind == rangeBody && inner.body.has(v.line) { // it is unknown whether the literal is in that loop
				around = append(around, slices.Concat(inner.args, inner.locals)...)
			}
		}
		if slices.ContainsFunc(around, named) {
			return true
		}
	}
	return false
}

// typeOf checks a variable's type, and the lines where it is visible.
func (c *checking) typeOf(v variable, at string, symbol *symdbv1.Symbol) {
	c.checked[Types]++
	if !v.fits(symbol.GetType()) {
		c.add(Types, False, "another type", "%s: %s is %s, declared as %s", at, v.name, symbol.GetType(), v.typ)
	}
	c.available(v, at, symbol)
}

// available checks the lines where a variable is visible.
func (c *checking) available(v variable, at string, symbol *symdbv1.Symbol) {
	before := int32(0)
	for _, r := range symbol.GetLanguageSpecifics().GetAvailableLineRanges() {
		c.checked[Available]++
		first, last := r.GetStart(), r.GetEnd()
		if first <= before {
			c.add(Available, Repeated, "not ascending", "%s: %s on lines %d to %d", at, v.name, first, last)
		}
		before = last
		reason := "outside of its block"
		switch {
		case v.block.has(first) && v.block.has(last) && first <= last:
			continue
		case first < v.block.first:
			reason = "before its declaration"
		}
		c.add(Available, False, reason, "%s: %s on lines %d to %d, declared in lines %d to %d",
			at, v.name, first, last, v.block.first, v.block.last)
	}
}

// localVariables checks the variables of a function and its blocks.
func (c *checking) localVariables(f *function, at string, s *symdbv1.Scope) {
	seen := map[local]int{}
	c.block(f, at, s, s.GetSourceFile(), seen)
	for _, v := range f.locals {
		if seen[local{v.name, v.where}] == 0 {
			c.missing(Locals, f, s, at, v)
		}
	}
}

func (c *checking) block(f *function, at string, s *symdbv1.Scope, file string, seen map[local]int) {
	for _, symbol := range s.GetSymbols() {
		if symbol.GetSymbolType() != "local" {
			continue
		}
		c.checked[Locals]++
		key := local{symbol.GetName(), where{file, symbol.GetLine()}}
		candidates := f.find(key)
		if len(candidates) == 0 {
			reason := c.whyNot(f, symbol)
			verdict := False
			if reason == "arg and local" {
				verdict = Repeated
			}
			c.add(Locals, verdict, reason, "%s: %s, line %d", at, key.name, key.line)
			continue
		}
		if seen[key]++; seen[key] > len(candidates) {
			c.add(Locals, Repeated, "twice", "%s: %s, line %d", at, key.name, key.line)
			continue
		}
		v := candidates[0]
		for _, other := range candidates {
			if other.fits(symbol.GetType()) {
				v = other
			}
		}
		c.typeOf(v, at, symbol)
		within := v.scope.has(s.GetStartLine()) && v.scope.has(s.GetEndLine())
		if s.GetScopeType() == "local" && s.GetStartLine() > 0 && !within {
			c.add(Blocks, False, "not the block of its variable", "%s: %s of lines %d to %d in one of lines %d to %d",
				at, v.name, v.scope.first, v.scope.last, s.GetStartLine(), s.GetEndLine())
		}
	}
	for _, inner := range s.GetScopes() {
		c.checked[Blocks]++
		switch first, last := inner.GetStartLine(), inner.GetEndLine(); {
		case inner.GetScopeType() != "local" || inner.GetName() != "":
			c.add(Blocks, False, "no block", "%s: %s %s", at, inner.GetScopeType(), inner.GetName())
		case first == 0 && last == 0:
		case first > last || !f.body.has(first) || !f.body.has(last):
			c.add(Blocks, False, "outside of the function", "%s: block of lines %d to %d", at, first, last)
		case s.GetScopeType() == "local" && (first < s.GetStartLine() || s.GetEndLine() < last):
			c.add(Blocks, False, "outside of the block around", "%s: block of lines %d to %d", at, first, last)
		}
		if len(inner.GetSymbols()) == 0 && len(inner.GetScopes()) == 0 {
			c.add(Blocks, False, "empty", "%s: block of lines %d to %d", at, inner.GetStartLine(), inner.GetEndLine())
		}
		c.block(f, at, inner, file, seen)
	}
}

// find returns the variables of that name and line that a function declares or
// captures.
func (f *function) find(key local) []variable {
	var out []variable
	for _, v := range f.locals {
		if v.name == key.name && v.file == key.file && v.line <= key.line && key.line <= v.other {
			out = append(out, v)
		}
	}
	for _, v := range f.captured {
		if v.name == key.name && (v.where == key.where || v.other == key.line) {
			out = append(out, v)
		}
	}
	return out
}

// whyNot classifies a variable that the function does not have.
func (c *checking) whyNot(f *function, symbol *symdbv1.Symbol) string {
	name := symbol.GetName()
	isArg := func(v variable) bool { return v.name == name }
	whole := func(v variable) bool {
		part, ok := strings.CutPrefix(name, v.name)
		return ok && part != "" && c.fields[part]
	}
	switch {
	case strings.Contains(name, "#"):
		return "name with #"
	case strings.HasPrefix(name, "~"):
		return "name with ~"
	case slices.ContainsFunc(f.args, isArg):
		return "arg and local"
	case slices.ContainsFunc(f.locals, isArg):
		return "local at another line"
	case slices.ContainsFunc(f.captured, isArg):
		return "captured, at another line"
	case slices.ContainsFunc(f.locals, whole), slices.ContainsFunc(f.args, whole), slices.ContainsFunc(f.captured, whole):
		return "part of a variable"
	case c.elsewhere[keptName{name, symbol.GetLine()}]:
		return "of another function"
	}
	return "not declared"
}
