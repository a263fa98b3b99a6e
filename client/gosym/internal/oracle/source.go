// Package oracle checks the output of package gosym for a binary against the
// sources that the binary was built from. It reads them with go/parser and
// go/types, and shares no code with gosym. Only tests import it.
//
// [Load] reads the sources, [Gather] the evidence about the binary, and
// [Evidence.Check] compares scopes with both and returns a [Report].
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

// A Source is the declarations in the sources of a binary.
type Source struct {
	// packages has the import paths, with "main" for the command.
	packages map[string]bool
	// functions has the declared functions, by the linker's name.
	functions map[string]*function
	// closures has the function literals, and the loops whose body is a function,
	// by their first line.
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

// function is a function in the source.
type function struct {
	// pkg is the linker's name of the package, "main" for a command.
	pkg string
	// name is the linker's name without the package. The compiler numbers the
	// function literals of a function from 1, and separately its loops.
	name string
	// root is the name of the declared function that encloses a closure.
	root string
	// receiver is the receiver's type of a method, or empty.
	receiver string
	where
	// nameLine is the line of a declared function's name.
	nameLine int32
	body     extent
	// inside is the part of the body that does not also belong to the enclosing
	// function, as the header of a loop does.
	inside extent
	// moved is set if the function has a //line directive in it.
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
	// byCgo is a function literal made by cgo.
	byCgo
)

// variable is a parameter, a result, or a local variable.
type variable struct {
	name string
	typ  string
	where
	// pattern matches the type of a field in all instances of a generic type.
	pattern *regexp.Regexp
	// other is another correct line: the function's for parameters and for captured
	// variables, the colon's after a case.
	other int32
	// scope is the innermost block around it, block the part of that where it is
	// visible.
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

// reading reads a package into a source.
type reading struct {
	*checkedPackage

	source *Source
	pkg    string
	// init is the function that initializes the package's variables.
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

// capture is a variable of another function that a function uses.
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

// function reads a declared function and everything in it.
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

// receiver returns the name of the receiver's type, and the linker's name of the
// method without the package.
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

// signature reads receiver, parameters and results. One without a name, or with the
// blank name, is called ~p with its index among receiver and parameters, or ~r with
// its index among the results.
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
