package gosym

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// maxPartBytes limits the scopes of [Binary.Parts], in bytes of protobuf. In memory a scope
// takes about ten times as much.
const maxPartBytes = 32 << 10

// parts yields a package as one scope, or as several if there is a limit.
type parts struct {
	// maxBytes is 0 for no limit.
	maxBytes int
	// root returns a new scope of the package, without children.
	root  func() *symdbv1.Scope
	yield func(*symdbv1.Scope) bool
	// pkg is the current part, typ the type in it that children are added to, or nil.
	pkg, typ *symdbv1.Scope
	bytes    int
	stopped  bool
}

// add adds a child, after yielding the part if it is full. It returns false to stop.
func (p *parts) add(child *symdbv1.Scope) bool {
	if p.maxBytes > 0 {
		size := proto.Size(child)
		size += 1 + protowire.SizeVarint(uint64(size))
		if p.bytes > 0 && p.bytes+size > p.maxBytes && !p.next() {
			return false
		}
		p.bytes += size
	}
	parent := p.pkg
	if p.typ != nil {
		parent = p.typ
	}
	parent.Scopes = append(parent.Scopes, child)
	return true
}

// next yields the part and begins another one. A type that is divided is repeated without
// its fields.
func (p *parts) next() bool {
	if p.stopped = !p.yield(p.pkg); p.stopped {
		return false
	}
	p.pkg, p.bytes = p.root(), 0
	if p.typ != nil {
		p.typ = &symdbv1.Scope{ScopeType: p.typ.GetScopeType(), Name: p.typ.Name}
		p.pkg.Scopes = append(p.pkg.Scopes, p.typ)
	}
	return true
}

// begin adds a type. The children that follow are its methods, until end.
func (p *parts) begin(typ *symdbv1.Scope) bool {
	if !p.add(typ) {
		return false
	}
	p.typ = typ
	return true
}

func (p *parts) end() { p.typ = nil }
