package oracle

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// checking is one comparison of scopes with the evidence.
type checking struct {
	*Report
	*Evidence

	// listed has the scope of each function of the source that was found in the
	// scopes.
	listed map[*function]*symdbv1.Scope
	names  map[string]bool
	// elsewhere has the variables of all functions, fields the names of all fields.
	elsewhere map[keptName]bool
	fields    map[string]bool
}

// local is the name and place of a variable.
type local struct {
	name string
	where
}

// Evidence is the data that scopes are compared with.
type Evidence struct {
	Source *Source
	Code   *Code
	Kept   *Kept
	groups []*group
}

// Gather reads the evidence about a binary, apart from its sources.
func Gather(path string, source *Source) (*Evidence, error) {
	code, err := ReadCode(path)
	if err != nil {
		return nil, err
	}
	kept, err := ReadKept(path)
	if err != nil {
		return nil, err
	}
	return &Evidence{source, code, kept, groups(source, code)}, nil
}

// Check compares the scopes of packages with the evidence.
func (e *Evidence) Check(packages map[string]*symdbv1.Scope) *Report {
	c := &checking{
		Report:    newReport(),
		Evidence:  e,
		listed:    map[*function]*symdbv1.Scope{},
		names:     map[string]bool{},
		elsewhere: map[keptName]bool{},
		fields:    map[string]bool{},
	}
	for f := range e.Source.all() {
		for _, list := range [][]variable{f.args, f.locals} {
			for _, v := range list {
				c.elsewhere[keptName{v.name, v.line}] = true
			}
		}
	}
	for _, types := range e.Source.types {
		for _, t := range types {
			for _, f := range t.fields {
				c.fields[f.name] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		c.packageScope(name, packages[name])
	}
	c.lines()
	return c.Report
}

func (c *checking) packageScope(name string, scope *symdbv1.Scope) {
	c.checked[Packages]++
	if !c.Source.packages[name] || scope.GetScopeType() != "package" || scope.GetName() != name {
		c.add(Packages, False, "not in the program", "%s %s", scope.GetScopeType(), name)
	}
	seen := map[string]bool{}
	for _, s := range scope.GetScopes() {
		switch s.GetScopeType() {
		case "function":
			c.function(name, "", s)
		case "struct":
			if seen[s.GetName()] {
				c.add(Structs, Repeated, "twice", "%s", s.GetName())
			}
			seen[s.GetName()] = true
			c.structType(name, s)
		default:
			c.add(Functions, False, "unknown kind of scope", "%s: %s %s", name, s.GetScopeType(), s.GetName())
		}
	}
}

// function checks the scope of a function of a package, or of a method of a type.
func (c *checking) function(pkg, typeName string, s *symdbv1.Scope) {
	c.checked[Functions]++
	qualified := s.GetLanguageSpecifics().GetGoQualifiedName()
	if c.names[qualified] {
		c.add(Functions, Repeated, "name", "%s", qualified)
	}
	c.names[qualified] = true
	f := c.match(qualified, s)
	if f == nil {
		return
	}
	if c.listed[f] != nil {
		c.add(Functions, Repeated, kindName(f), "%s, %s:%d", qualified, f.file, f.line)
		return
	}
	c.listed[f] = s
	c.place(f, pkg, typeName, s)
	c.variables(f, pkg, s)
}

func kindName(f *function) string {
	return [...]string{"declared function", "closure", "body of a range-over-func", "closure made by cgo"}[f.kind]
}

var closureName = regexp.MustCompile(`\.func\d+|-range\d+|\.\d+$`)

// match finds the function in the source for a scope.
func (c *checking) match(qualified string, s *symdbv1.Scope) *function {
	at := where{s.GetSourceFile(), s.GetStartLine()}
	if f := c.Source.functions[qualified]; f != nil {
		switch {
		case at.file != f.file:
			c.add(Functions, False, "another file", "%s: %s:%d, declared at %s:%d", qualified, at.file, at.line, f.file, f.line)
		case at.line < f.line || at.line > f.nameLine:
			c.add(Functions, False, "another line", "%s: %s:%d, declared at line %d", qualified, at.file, at.line, f.line)
		}
		return f
	}
	candidates := c.Source.closures[at]
	if !closureName.MatchString(qualified) || len(candidates) == 0 {
		c.add(Functions, False, c.why(qualified, at), "%s: %s:%d", qualified, at.file, at.line)
		return nil
	}
	f := c.choose(candidates, qualified, s)
	if f.kind == byCgo {
		c.add(Functions, False, "closure made by cgo", "%s: %s:%d", qualified, at.file, at.line)
		return nil
	}
	return f
}

// place checks that a scope has the name of its function, and the right parent.
func (c *checking) place(f *function, pkg, typeName string, s *symdbv1.Scope) {
	if end := s.GetEndLine(); !f.body.has(end) || end < s.GetStartLine() {
		c.add(Functions, False, "another end", "%s %s: line %d, lies in lines %d to %d",
			pkg, s.GetName(), end, f.body.first, f.body.last)
	}
	qualified := s.GetLanguageSpecifics().GetGoQualifiedName()
	name := f.qualified()
	if c.Source.functions[qualified] == f && qualified != name {
		return // go:linkname changed its name, and so its place.
	}
	if f.pkg != pkg {
		c.add(Functions, False, "closure of another package", "%s, listed in %s, is in %s", qualified, pkg, f.file)
		return
	}
	root := escape(f.pkg) + "." + f.root
	rest, ok := strings.CutPrefix(qualified, root)
	switch {
	case qualified == name:
	case c.Code.functions[codeName{name, f.line}] != nil,
		!ok || !strings.HasPrefix(rest, ".") && !strings.HasPrefix(rest, "-range") || strings.Count(rest, ".func") > 1:
		c.add(Functions, False, "closure by another name", "%s, written as %s, %s:%d", qualified, name, f.file, f.line)
		return
	}
	own := strings.TrimPrefix(qualified, escape(f.pkg)+".")
	if f.receiver != "" {
		own = strings.TrimPrefix(own, f.receiverName())
	}
	if s.GetName() != own {
		c.add(Functions, False, "another name", "%s is called %s", qualified, s.GetName())
	}
	if typeName != f.typeName() {
		c.add(Functions, False, "of another type", "%s is listed in %s", qualified, typeName)
	}
}

// qualified returns the linker's name of a function.
func (f *function) qualified() string { return escape(f.pkg) + "." + f.name }

// typeName returns the name of a method's type, or "".
func (f *function) typeName() string {
	if f.receiver == "" {
		return ""
	}
	return f.pkg + "." + f.receiver
}

// receiverName returns the receiver in the linker's name of a method.
func (f *function) receiverName() string {
	if strings.HasPrefix(f.name, "(*") {
		return "(*" + f.receiver + ")."
	}
	return f.receiver + "."
}

// choose returns the candidate, a function on the scope's first line, that fits a
// scope best. It prefers functions that are not listed yet.
func (c *checking) choose(candidates []*function, qualified string, s *symdbv1.Scope) *function {
	score := func(f *function) int {
		n := 0
		if f.qualified() == qualified {
			n += 10000
		}
		if c.listed[f] == nil {
			n += 1000
		}
		if (f.kind == rangeBody) == strings.Contains(lastPart(s.GetName()), "-range") {
			n += 100
		}
		for i, v := range f.args {
			if args := s.GetSymbols(); i < len(args) && args[i].GetName() == v.name && args[i].GetType() == v.typ {
				n++
			}
		}
		return n
	}
	return slices.MaxFunc(candidates, func(a, b *function) int { return score(a) - score(b) })
}

func lastPart(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// why returns the reason for which a function is in no source.
func (c *checking) why(qualified string, at where) string {
	_, name, _ := strings.Cut(qualified[strings.LastIndexByte(qualified, '/')+1:], ".")
	switch {
	case strings.HasSuffix(at.file, ".s"):
		return "assembly"
	case strings.Contains(at.file, "_cgo_"), strings.HasPrefix(name, "_C"), strings.HasPrefix(name, "_cgo"):
		return "made by cgo"
	case c.Source.made[qualified]:
		return "made by cgo"
	case c.Source.bodiless[qualified]:
		return "declared without a body"
	case strings.HasPrefix(name, "map.init"):
		return "made by the compiler"
	case at.file == "":
		return "no file"
	case closureName.MatchString(qualified):
		return "no closure begins there"
	}
	return "not declared"
}

// structType checks the scope of a type, with the fields and methods in it.
func (c *checking) structType(pkg string, s *symdbv1.Scope) {
	c.checked[Structs]++
	for _, method := range s.GetScopes() {
		c.function(pkg, s.GetName(), method)
	}
	name := strings.TrimSuffix(numbered.ReplaceAllString(s.GetName(), "·"), "·")
	types := c.Source.types[name]
	if len(types) == 0 || !strings.HasPrefix(name, pkg+".") {
		c.add(Structs, False, "not declared", "%s", s.GetName())
		return
	}
	problem := ""
	for _, t := range types {
		if problem = t.compare(s); problem == "" {
			break
		}
	}
	c.checked[Fields] += len(s.GetSymbols())
	if problem != "" {
		c.add(Fields, False, "not as declared", "%s: %s", s.GetName(), problem)
	}
}

// compare describes how the fields of a scope differ from those of a type. It
// returns "" if they are equal.
func (t *structType) compare(s *symdbv1.Scope) string {
	if len(t.fields) != len(s.GetSymbols()) {
		return fmt.Sprintf("%d fields, declared with %d", len(s.GetSymbols()), len(t.fields))
	}
	for i, symbol := range s.GetSymbols() {
		f := t.fields[i]
		if symbol.GetName() != f.name || symbol.GetSymbolType() != "field" {
			return fmt.Sprintf("%s %s, declared as %s", symbol.GetSymbolType(), symbol.GetName(), f.name)
		}
		if !f.fits(symbol.GetType()) {
			return fmt.Sprintf("%s is %s, declared as %s", f.name, symbol.GetType(), f.typ)
		}
	}
	return ""
}

// fits reports whether a type is the variable's. A type declared in a function may
// have the mark and the number that the compiler adds.
func (v variable) fits(typ string) bool {
	if v.pattern != nil && (typ == unknown || v.pattern.MatchString(typ)) {
		return true
	}
	return typ == strings.ReplaceAll(v.typ, "·", "") ||
		numbered.ReplaceAllString(typ, "·") == numbered.ReplaceAllString(v.typ, "·")
}

var numbered = regexp.MustCompile(`(\[\.\.\.\])?·\d*`)
