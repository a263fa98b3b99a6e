package oracle

import (
	"fmt"
	"go/types"
	"regexp"
	"strconv"
	"strings"
)

// unknown is the spelling of a type that depends on type arguments.
const unknown = "<T>"

// spell spells a type as the compiler does: packages by import path, aliases as the
// aliased type, and anything that depends on type parameters as [...] or <T>.
func spell(t types.Type) string {
	s := &speller{}
	s.write(t)
	if s.depends {
		return unknown
	}
	return s.String()
}

// pattern matches the spelling of a field's type in any instance of the generic
// type. It is nil if all instances have the same.
func pattern(t types.Type) *regexp.Regexp {
	s := &speller{open: true}
	s.write(t)
	if !s.depends {
		return nil
	}
	quoted := strings.ReplaceAll(regexp.QuoteMeta(s.String()), open, ".+")
	return regexp.MustCompile("^" + quoted + "$")
}

// open stands for a part that depends on type arguments.
const open = "\x00"

type speller struct {
	strings.Builder

	// open makes the speller write open for parts that depend on type parameters.
	open    bool
	depends bool
}

func (s *speller) write(t types.Type) {
	switch t := types.Unalias(t).(type) {
	case *types.Basic:
		s.WriteString(basicName(t))
	case *types.Named:
		s.named(t)
	case *types.TypeParam:
		s.depends = true
		if s.open {
			s.WriteString(open)
		}
	case *types.Pointer:
		s.WriteByte('*')
		s.write(t.Elem())
	case *types.Slice:
		s.WriteString("[]")
		s.write(t.Elem())
	case *types.Array:
		fmt.Fprintf(s, "[%d]", t.Len())
		s.write(t.Elem())
	case *types.Map:
		s.WriteString("map[")
		s.write(t.Key())
		s.WriteByte(']')
		s.write(t.Elem())
	case *types.Chan:
		s.channel(t)
	case *types.Signature:
		s.WriteString("func")
		s.signature(t)
	case *types.Struct:
		s.structType(t)
	case *types.Interface:
		s.interfaceType(t)
	default:
		fmt.Fprintf(s, "?%T", t)
	}
}

// basicName returns the name of a basic type, not of an alias.
func basicName(t *types.Basic) string {
	if t.Kind() == types.UnsafePointer {
		return "unsafe.Pointer"
	}
	return types.Typ[t.Kind()].Name()
}

func (s *speller) named(t *types.Named) {
	object := t.Obj()
	if p := object.Pkg(); p != nil {
		s.WriteString(packageName(p))
		s.WriteByte('.')
	}
	s.WriteString(object.Name())
	isLocal := object.Pkg() != nil && object.Parent() != object.Pkg().Scope() && object.Parent() != nil
	if isLocal && inGeneric(object) {
		s.WriteString("[...]")
	} else {
		s.arguments(t.TypeArgs())
	}
	if isLocal {
		s.WriteString("·")
	}
}

// inGeneric reports whether a type is declared in a generic function, so that the
// function's type arguments are also the type's.
func inGeneric(object *types.TypeName) bool {
	for scope := object.Parent(); scope != nil && scope != object.Pkg().Scope(); scope = scope.Parent() {
		for _, name := range scope.Names() {
			if _, ok := scope.Lookup(name).Type().(*types.TypeParam); ok {
				return true
			}
		}
	}
	return false
}

// arguments writes the type arguments of a named type.
func (s *speller) arguments(args *types.TypeList) {
	if args.Len() == 0 {
		return
	}
	inner := &speller{open: s.open}
	for i := range args.Len() {
		if i > 0 {
			inner.WriteByte(',')
		}
		inner.write(args.At(i))
	}
	if inner.depends && s.open {
		s.depends = true
		s.WriteString("[" + open + "]")
		return
	}
	if inner.depends || strings.Contains(inner.String(), "[...]") {
		s.WriteString("[...]")
		return
	}
	s.WriteString("[" + inner.String() + "]")
}

func packageName(p *types.Package) string {
	if p.Name() == "main" {
		return "main"
	}
	return p.Path()
}

func (s *speller) channel(t *types.Chan) {
	switch t.Dir() {
	case types.SendOnly:
		s.WriteString("chan<- ")
	case types.RecvOnly:
		s.WriteString("<-chan ")
	default:
		s.WriteString("chan ")
		if elem, ok := types.Unalias(t.Elem()).(*types.Chan); ok && elem.Dir() == types.RecvOnly {
			s.WriteByte('(')
			s.write(elem)
			s.WriteByte(')')
			return
		}
	}
	s.write(t.Elem())
}

func (s *speller) signature(t *types.Signature) {
	s.WriteByte('(')
	for i := range t.Params().Len() {
		if i > 0 {
			s.WriteString(", ")
		}
		typ := t.Params().At(i).Type()
		if slice, ok := types.Unalias(typ).(*types.Slice); ok && t.Variadic() && i == t.Params().Len()-1 {
			s.WriteString("...")
			typ = slice.Elem()
		}
		s.write(typ)
	}
	s.WriteByte(')')
	switch results := t.Results(); results.Len() {
	case 0:
	case 1:
		s.WriteByte(' ')
		s.write(results.At(0).Type())
	default:
		s.WriteString(" (")
		for i := range results.Len() {
			if i > 0 {
				s.WriteString(", ")
			}
			s.write(results.At(i).Type())
		}
		s.WriteByte(')')
	}
}

func (s *speller) structType(t *types.Struct) {
	s.WriteString("struct {")
	for i := range t.NumFields() {
		if i > 0 {
			s.WriteByte(';')
		}
		s.WriteByte(' ')
		f := t.Field(i)
		if !f.Embedded() || renames(f) {
			if !f.Exported() {
				s.WriteString(packageName(f.Pkg()) + ".")
			}
			s.WriteString(f.Name() + " ")
		}
		if renames(f) {
			s.WriteString("= ")
		}
		s.write(f.Type())
		if tag := t.Tag(i); tag != "" {
			s.WriteString(" " + strconv.Quote(tag))
		}
	}
	if t.NumFields() > 0 {
		s.WriteByte(' ')
	}
	s.WriteByte('}')
}

// renames reports whether a field is embedded under a name other than its type's
// full name: an alias, or the name without type arguments.
func renames(f *types.Var) bool {
	if !f.Embedded() {
		return false
	}
	t := types.Unalias(f.Type())
	if pointer, ok := t.(*types.Pointer); ok {
		t = types.Unalias(pointer.Elem())
	}
	switch t := t.(type) {
	case *types.Basic:
		return basicName(t) != f.Name()
	case *types.Named:
		return t.Obj().Name() != f.Name() || t.TypeArgs().Len() > 0
	default:
		return true
	}
}

func (s *speller) interfaceType(t *types.Interface) {
	s.WriteString("interface {")
	for i := range t.NumMethods() {
		if i > 0 {
			s.WriteByte(';')
		}
		s.WriteByte(' ')
		m := t.Method(i)
		if !m.Exported() {
			s.WriteString(packageName(m.Pkg()) + ".")
		}
		s.WriteString(m.Name())
		s.signature(m.Signature())
	}
	if t.NumMethods() > 0 {
		s.WriteByte(' ')
	}
	s.WriteByte('}')
}

// escape escapes an import path as the linker does: it writes dots in the last
// element, and special characters, as % and two digits.
func escape(path string) string {
	slash := strings.LastIndexByte(path, '/')
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		if c <= ' ' || c == '.' && i > slash || c == '%' || c == '"' || c >= 0x7F {
			fmt.Fprintf(&b, "%%%02x", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// readTypes records the types that a package declares, also in functions.
func (r *reading) readTypes() {
	for _, object := range r.info.Defs {
		name, ok := object.(*types.TypeName)
		if !ok || name.IsAlias() {
			continue
		}
		named, ok := name.Type().(*types.Named)
		if !ok {
			continue
		}
		qualified := r.pkg + "." + name.Name()
		if named.TypeParams().Len() > 0 {
			qualified += "[...]"
		}
		t := &structType{}
		if structure, ok := named.Underlying().(*types.Struct); ok {
			t.isStruct = true
			for f := range structure.Fields() {
				t.fields = append(t.fields, variable{name: f.Name(), typ: spell(f.Type()), pattern: pattern(f.Type())})
			}
		}
		r.source.types[qualified] = append(r.source.types[qualified], t)
	}
}
