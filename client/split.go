package client

import (
	"fmt"
	"iter"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// ScopeTooLargeError is returned for a scope that does not fit a message and
// can't be split further: its own fields and symbols, inside the scopes that
// enclose it, are larger than [WithMaxMessageBytes] allows. Nothing is wrong
// with the scope itself; a larger limit may let it pass.
type ScopeTooLargeError struct {
	// ScopeType is the scope_type of the scope.
	ScopeType string
	// Name is the name of the scope, "" where it has none.
	Name string
	// Root is the name of the root scope that the scope lies in, or is.
	Root string
	// Bytes is the size of the smallest message that the scope would fit.
	Bytes int
	// MaxBytes is the limit.
	MaxBytes int
}

// Error names the scope, its root and the two sizes.
func (e *ScopeTooLargeError) Error() string {
	return fmt.Sprintf("scope %s %q in root scope %q takes a message of %d bytes without its children, more than the limit of %d",
		e.ScopeType, e.Name, e.Root, e.Bytes, e.MaxBytes)
}

// split yields root in parts, each a root scope of which the request takes at
// most maxBytes. The parts' children, in order, are those of root. A scope that
// is itself too large for a part is opened: its copy, with the fields it has of
// itself, lies in each of the parts that have children of it, its symbols in
// the first of these only. Parts share with root all that they do not open, so
// neither may be changed while the other is in use; each is built when it is
// asked for. The same root and limit give the same parts.
//
// An error is a [*ScopeTooLargeError], and the last that is yielded.
func split(root *symdbv1.Scope, maxBytes int) iter.Seq2[*symdbv1.Scope, error] {
	return func(yield func(*symdbv1.Scope, error) bool) {
		// This walk alone computes sizes: it leaves in each message its own.
		proto.Size(root)
		p := packer{maxBytes: maxBytes, yield: yield}
		if p.open(root) {
			yield(p.chain[0].copied, nil)
		}
	}
}

// packer fills one part after the other. A part is a chain of open scopes, root
// first, to whose innermost one children are added.
type packer struct {
	maxBytes int
	yield    func(*symdbv1.Scope, error) bool
	chain    []openScope
}

// openScope is a scope that is copied to every part that has children of it.
type openScope struct {
	source *symdbv1.Scope
	// repeatedBytes is the size of what each further part repeats of source.
	repeatedBytes int
	// copied is source as it lies in the part being filled; bytes is its size.
	copied *symdbv1.Scope
	bytes  int
}

// open adds a scope by adding its own fields, then its children one by one. It
// returns false when no further part is wanted or possible.
func (p *packer) open(scope *symdbv1.Scope) bool {
	ownBytes := cachedSize(scope)
	for _, child := range scope.GetScopes() {
		ownBytes -= embeddedSize(cachedSize(child))
	}
	if !p.fits(ownBytes) {
		if size := p.sizeAlone(ownBytes); size > p.maxBytes {
			p.yield(nil, p.tooLarge(scope, size))
			return false
		}
		if !p.flush() {
			return false
		}
	}

	copied := copyOwn(scope)
	repeatedBytes := proto.Size(copied)
	copied.Symbols = scope.GetSymbols()
	p.add(copied, ownBytes)
	p.chain = append(p.chain, openScope{
		source: scope, repeatedBytes: repeatedBytes, copied: copied, bytes: ownBytes,
	})
	for _, child := range scope.GetScopes() {
		if !p.pack(child) {
			return false
		}
	}
	return true
}

// pack adds a scope whole, to this part or the next, or else opens it, adds all
// there is of it, and closes it.
func (p *packer) pack(scope *symdbv1.Scope) bool {
	size := cachedSize(scope)
	switch {
	case p.fits(size):
	case p.sizeAlone(size) <= p.maxBytes:
		if !p.flush() {
			return false
		}
	default:
		ok := p.open(scope)
		p.chain = p.chain[:len(p.chain)-1]
		return ok
	}
	p.add(scope, size)
	return true
}

// flush yields the part and begins the next one with what each repeats. It is
// called only when the next scope fits there and not here, so that no part
// holds repetitions alone.
func (p *packer) flush() bool {
	if !p.yield(p.chain[0].copied, nil) {
		return false
	}
	for i := range slices.Backward(p.chain) {
		open := &p.chain[i]
		open.copied, open.bytes = copyOwn(open.source), open.repeatedBytes
		if i < len(p.chain)-1 {
			inner := p.chain[i+1]
			open.copied.Scopes = []*symdbv1.Scope{inner.copied}
			open.bytes += embeddedSize(inner.bytes)
		}
	}
	return true
}

// add adds a scope of that size to the innermost open one.
func (p *packer) add(scope *symdbv1.Scope, size int) {
	if len(p.chain) == 0 {
		return
	}
	innermost := p.chain[len(p.chain)-1].copied
	innermost.Scopes = append(innermost.Scopes, scope)
	added := embeddedSize(size)
	for i := range slices.Backward(p.chain) {
		before := embeddedSize(p.chain[i].bytes)
		p.chain[i].bytes += added
		added = embeddedSize(p.chain[i].bytes) - before
	}
}

// fits tells whether the part still takes a scope of that size.
func (p *packer) fits(size int) bool {
	added := embeddedSize(size)
	request := added
	for _, open := range slices.Backward(p.chain) {
		request = embeddedSize(open.bytes + added)
		added = request - embeddedSize(open.bytes)
	}
	return request <= p.maxBytes
}

// sizeAlone returns the size of a request that has nothing but a scope of that
// size inside what each part repeats.
func (p *packer) sizeAlone(size int) int {
	for _, open := range slices.Backward(p.chain) {
		size = open.repeatedBytes + embeddedSize(size)
	}
	return embeddedSize(size)
}

func (p *packer) tooLarge(scope *symdbv1.Scope, size int) *ScopeTooLargeError {
	root := scope
	if len(p.chain) > 0 {
		root = p.chain[0].source
	}
	return &ScopeTooLargeError{
		ScopeType: scope.GetScopeType(),
		Name:      scope.GetName(),
		Root:      root.GetName(),
		Bytes:     size,
		MaxBytes:  p.maxBytes,
	}
}

// copyOwn copies what a scope says of itself: all but its symbols and scopes.
// It goes by the descriptor, so that a field that is new, or unknown to this
// build, is copied too.
func copyOwn(scope *symdbv1.Scope) *symdbv1.Scope {
	copied := &symdbv1.Scope{}
	from, to := scope.ProtoReflect(), copied.ProtoReflect()
	from.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if field.Number() != symbolsField && field.Number() != scopesField {
			to.Set(field, value)
		}
		return true
	})
	to.SetUnknown(from.GetUnknown())
	return copied
}

var (
	scopeFields  = (*symdbv1.Scope)(nil).ProtoReflect().Descriptor().Fields()
	symbolsField = scopeFields.ByName("symbols").Number()
	scopesField  = scopeFields.ByName("scopes").Number()
)

// cachedSize returns the size that the last proto.Size of scope, or of a scope
// around it, has computed.
func cachedSize(scope *symdbv1.Scope) int {
	return proto.MarshalOptions{UseCachedSize: true}.Size(scope)
}

// embeddedSize returns what a scope of that size takes inside another one or
// inside a request: in both it has a field number of one byte.
func embeddedSize(size int) int {
	return 1 + protowire.SizeBytes(size)
}
