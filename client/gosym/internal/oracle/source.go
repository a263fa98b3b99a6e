// Package oracle holds what package gosym says of a binary against the sources
// that the binary was built from. It reads them with go/parser and go/types and
// shares no code with gosym. Only tests import it.
//
// [Load] reads the sources, [Check] compares, and a [Report] is what comes out.
package oracle

import (
	"go/ast"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Source is what the sources of a binary declare.
type Source struct {
	// packages has the import paths, "main" for that of the command.
	packages map[string]bool
	// functions has what is declared, by the linker's name.
	functions map[string]*function
	// closures has the function literals, and the loops whose body is a function,
	// by where they begin.
	closures map[where][]*function
	// bodiless has the functions that are written in another language.
	bodiless map[string]bool
	// types has the declared types by their qualified name.
	types map[string][]*structType
	files map[string]string
	// made has the functions that cgo makes.
	made map[string]bool
}

// where is a line of a file.
type where struct {
	file string
	line int32
}

// function is what the source says of a function.
type function struct {
	// pkg is the package's name as the linker has it, "main" for a command.
	pkg string
	// name is the linker's name without the package. The compiler numbers the
	// function literals of a function, and apart from them the loops, from 1 on.
	name string
	// root is the name of the declared function that a closure lies in.
	root string
	// receiver is the type that has it as a method, or empty.
	receiver string
	where
	// nameLine is the line of a declared function's name.
	nameLine int32
	body     extent
	// inside is what is of the body and not of the function around it: the header of
	// a loop is that one's.
	inside extent
	// moved is set where a //line directive is in it.
	moved    bool
	kind     functionKind
	args     []variable
	locals   []variable
	captured []variable
	parent   *function
	inner    []*function
	literals int
	loops    int
}

type functionKind int

const (
	declared functionKind = iota
	literal
	rangeBody
	// byCgo is a function literal that cgo has made.
	byCgo
)

// variable is a parameter, a result, or a local variable.
type variable struct {
	name string
	typ  string
	where
	// pattern matches the type of a field in all instances of a generic type.
	pattern *regexp.Regexp
	// other is another line that is right: that of the function for a parameter and
	// for what a closure captures, of the colon after a case.
	other int32
	// scope is the innermost block around it, block what of that can see it.
	scope  extent
	block  extent
	result bool
	// noSize is set if its type takes no memory.
	noSize bool
}

// structType is a declared type.
type structType struct {
	fields   []variable
	isStruct bool
}

func newSource() *Source {
	return &Source{
		packages:  map[string]bool{},
		functions: map[string]*function{},
		closures:  map[where][]*function{},
		bodiless:  map[string]bool{},
		types:     map[string][]*structType{},
		files:     map[string]string{},
		made:      map[string]bool{},
	}
}

// reading is how a package is read into a source.
type reading struct {
	*checkedPackage

	source *Source
	pkg    string
	// init is the function that initialises the package's variables.
	init *function
	// owner has the function that declares a variable.
	owner    map[types.Object]*function
	captured map[capture]bool
	// clauses has the clause of a type switch that declares a variable.
	clauses map[types.Object]*ast.CaseClause
	// moved has the //line directives of the files that have any.
	moved     map[*token.File][]moved
	linknames map[string]string
	inits     int
}

// capture is a variable that a function has from another one.
type capture struct {
	by       *function
	variable *types.Var
}

// add reads a package into the source.
func (s *Source) add(c *checkedPackage) {
	r := &reading{
		checkedPackage: c,
		source:         s,
		pkg:            c.ImportPath,
		init:           &function{pkg: c.ImportPath, name: "init", root: "init"},
		owner:          map[types.Object]*function{},
		captured:       map[capture]bool{},
		clauses:        map[types.Object]*ast.CaseClause{},
		moved:          map[*token.File][]moved{},
		linknames:      map[string]string{},
	}
	if c.Name == "main" {
		r.pkg, r.init.pkg = "main", "main"
	}
	s.packages[r.pkg] = true
	for _, file := range c.files {
		r.readDirectives(file)
	}
	for _, file := range c.files {
		for _, d := range file.Decls {
			if d, ok := d.(*ast.FuncDecl); ok {
				r.function(d)
			}
		}
	}
	for _, init := range c.info.InitOrder {
		r.walk(init.Rhs, r.init)
	}
	r.readTypes()
}

// function reads a declared function with all that lies in it.
func (r *reading) function(d *ast.FuncDecl) {
	f := &function{pkg: r.pkg, where: r.at(d.Pos()), nameLine: r.at(d.Name.Pos()).line, body: r.extent(d.Pos(), d.End()-1)}
	f.moved = r.moves(d)
	f.name = d.Name.Name
	object, ok := r.info.Defs[d.Name].(*types.Func)
	if !ok {
		return
	}
	signature := object.Signature()
	if recv := signature.Recv(); recv != nil {
		f.receiver, f.name = receiver(recv, d.Name.Name)
	} else if d.Name.Name == "init" {
		f.name += "." + strconv.Itoa(r.inits)
		r.inits++
	}
	if d.Type.TypeParams != nil {
		f.name += "[...]"
	}
	f.root = f.name
	qualified := escape(r.pkg) + "." + f.name
	if linkname, ok := r.linknames[d.Name.Name]; ok && d.Recv == nil {
		qualified = linkname
		if i := strings.LastIndexByte(linkname, '.'); i > 0 {
			r.source.packages[linkname[:i]] = true
		}
	}
	if d.Body == nil {
		r.source.bodiless[qualified] = true
		return
	}
	if r.byCgo(d.Pos()) {
		r.source.made[qualified] = true
		return
	}
	f.args = r.signature(f, d, d.Type, signature)
	r.walk(d.Body, f)
	if d.Name.Name != "_" {
		r.source.functions[qualified] = f
	}
}

// receiver is the name of the receiver's type, and that of the method, as the
// linker has it without the package.
func receiver(recv *types.Var, method string) (typeName, qualified string) {
	t := types.Unalias(recv.Type())
	pointer, isPointer := t.(*types.Pointer)
	if isPointer {
		t = types.Unalias(pointer.Elem())
	}
	if named, ok := t.(*types.Named); ok {
		typeName = named.Obj().Name()
		if named.TypeParams().Len() > 0 {
			typeName += "[...]"
		}
	}
	if isPointer {
		return typeName, "(*" + typeName + ")." + method
	}
	return typeName, typeName + "." + method
}

// signature reads receiver, parameters and results. What has no name, or the
// blank one, is called ~p and its place among receiver and parameters, or ~r and
// its place among the results.
func (r *reading) signature(f *function, syntax *ast.FuncDecl, t *ast.FuncType, of *types.Signature) []variable {
	var args []variable
	add := func(list *ast.FieldList, all []*types.Var, prefix string, first int) {
		if list == nil {
			return
		}
		for _, field := range list.List {
			names := field.Names
			if len(names) == 0 {
				names = []*ast.Ident{nil}
			}
			for _, id := range names {
				object := all[0]
				all = all[1:]
				v := variable{
					name:   prefix + strconv.Itoa(first),
					typ:    spell(object.Type()),
					where:  r.at(field.Pos()),
					other:  f.line,
					block:  f.body,
					result: prefix == "~r",
				}
				if id != nil {
					v.where = r.at(id.Pos())
				}
				if id != nil && id.Name != "_" {
					v.name = id.Name
					r.owner[object] = f
				}
				args = append(args, v)
				first++
			}
		}
	}
	params := slices.Collect(of.Params().Variables())
	if of.Recv() != nil {
		add(syntax.Recv, []*types.Var{of.Recv()}, "~p", 0)
	}
	add(t.Params, params, "~p", len(args))
	add(t.Results, slices.Collect(of.Results().Variables()), "~r", 0)
	return args
}
