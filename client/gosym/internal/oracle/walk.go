package oracle

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
)

// walk reads the content of a function.
func (r *reading) walk(root ast.Node, f *function) {
	if root == nil {
		return
	}
	ast.Inspect(root, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			r.literal(n, f)
			return false
		case *ast.FuncType:
			// The parameters of a function type are not variables.
			return false
		case *ast.RangeStmt:
			if r.overFunction(n) {
				r.rangeBody(n, f)
				return false
			}
		case *ast.CaseClause:
			if v, ok := r.info.Implicits[n].(*types.Var); ok {
				r.clauses[v] = n
				r.declare(v, f)
			}
		case *ast.ReturnStmt:
			r.returned(f)
		case *ast.Ident:
			r.ident(n, f)
		}
		return true
	})
}

// ident records a declaration or a use of a variable.
func (r *reading) ident(id *ast.Ident, f *function) {
	if v, ok := r.info.Defs[id].(*types.Var); ok && !v.IsField() {
		r.declare(v, f)
	}
	if v, ok := r.info.Uses[id].(*types.Var); ok && !v.IsField() {
		r.capture(v, f)
	}
}

// declare records a local variable.
func (r *reading) declare(v *types.Var, f *function) {
	if v.Name() == "_" {
		return
	}
	r.owner[v] = f
	f.locals = append(f.locals, r.variable(v))
}

// variable returns a local variable of the source. The variable of a type switch is
// declared in each clause, at the end of the case.
func (r *reading) variable(v *types.Var) variable {
	out := variable{name: v.Name(), typ: spell(v.Type()), where: r.at(v.Pos())}
	out.noSize = noSize(v.Type())
	out.other = out.line
	begin := v.Pos()
	if clause := r.clauses[v]; clause != nil {
		begin = clause.Pos()
		out.where, out.other = r.at(begin), r.at(clause.Colon).line
	}
	if scope := v.Parent(); scope != nil {
		out.block, out.scope = r.extent(begin, scope.End()-1), r.extent(scope.Pos(), scope.End()-1)
	}
	return out
}

// capture records that a function uses a variable that another one declares.
func (r *reading) capture(v *types.Var, f *function) {
	owner := r.owner[v]
	if owner == nil {
		return
	}
	for ; f != nil && f != owner; f = f.parent {
		key := capture{f, v}
		if r.captured[key] {
			continue
		}
		r.captured[key] = true
		captured := r.variable(v)
		captured.other, captured.block, captured.scope = f.line, f.body, f.body
		f.captured = append(f.captured, captured)
	}
}

// returned records that a return in the body of a loop sets the results of the
// enclosing function.
func (r *reading) returned(f *function) {
	outer := f
	for outer != nil && outer.kind == rangeBody {
		outer = outer.parent
	}
	if outer == nil || outer == f {
		return
	}
	for _, v := range outer.args {
		for inner := f; inner != outer; inner = inner.parent {
			if !slices.ContainsFunc(inner.captured, func(c variable) bool { return c.name == v.name && c.where == v.where }) {
				v.other, v.block, v.scope = inner.line, inner.body, inner.body
				inner.captured = append(inner.captured, v)
			}
		}
	}
}

// literal reads a function literal.
func (r *reading) literal(n *ast.FuncLit, parent *function) {
	f := r.inner(n, parent, literal)
	if r.byCgo(n.Pos()) {
		f.kind = byCgo
	}
	if signature, ok := r.info.TypeOf(n).(*types.Signature); ok {
		f.args = r.signature(f, nil, n.Type, signature)
	}
	r.walk(n.Body, f)
}

// inner begins a function literal or the body of a loop.
func (r *reading) inner(n ast.Node, parent *function, kind functionKind) *function {
	f := &function{
		pkg:      r.pkg,
		root:     parent.root,
		receiver: parent.receiver,
		where:    r.at(n.Pos()),
		body:     r.extent(n.Pos(), n.End()-1),
		parent:   parent,
		kind:     kind,
		moved:    r.moves(n),
	}
	f.inside = f.body
	for parent.kind == rangeBody {
		parent = parent.parent
	}
	switch {
	case kind == rangeBody:
		parent.loops++
		f.name = fmt.Sprintf("%s-range%d", parent.name, parent.loops)
	case parent.parent == nil:
		parent.literals++
		f.name = fmt.Sprintf("%s.func%d", parent.name, parent.literals)
	default:
		parent.literals++
		f.name = fmt.Sprintf("%s.%d", parent.name, parent.literals)
	}
	f.parent.inner = append(f.parent.inner, f)
	r.source.closures[f.where] = append(r.source.closures[f.where], f)
	return f
}

// overFunction reports whether a loop ranges over a function.
func (r *reading) overFunction(n *ast.RangeStmt) bool {
	return n.X != nil && isFunction(r.info.TypeOf(n.X))
}

// isFunction reports whether a type is a function, or a type parameter for
// functions.
func isFunction(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Signature:
		return true
	case *types.Union:
		return isFunction(u.Term(0).Type())
	case *types.Interface:
		_, isParameter := types.Unalias(t).(*types.TypeParam)
		for embedded := range u.EmbeddedTypes() {
			if _, isUnion := embedded.(*types.Union); (isParameter || isUnion) && isFunction(embedded) {
				return true
			}
		}
	default:
	}
	return false
}

// rangeBody reads a loop over a function: its body is a function with the loop's
// variables as parameters.
func (r *reading) rangeBody(n *ast.RangeStmt, parent *function) {
	r.walk(n.X, parent)
	f := r.inner(n, parent, rangeBody)
	f.inside = r.extent(n.Body.Pos(), n.End()-1)
	for _, e := range []ast.Expr{n.Key, n.Value} {
		id, ok := e.(*ast.Ident)
		if !ok || n.Tok != token.DEFINE {
			if e != nil {
				r.walk(e, f)
			}
			continue
		}
		if v, ok := r.info.Defs[id].(*types.Var); ok && id.Name != "_" {
			r.owner[v] = f
			f.args = append(f.args, r.variable(v))
		}
	}
	r.walk(n.Body, f)
}

// noSize reports whether a type takes no memory, for all type arguments.
func noSize(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Array:
		return u.Len() == 0 || noSize(u.Elem())
	case *types.Struct:
		for f := range u.Fields() {
			if !noSize(f.Type()) {
				return false
			}
		}
		return true
	default:
		return false
	}
}
