package client

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// ScopeTooLargeError is returned for a scope that does not fit a message and can't be
// split further: its own fields and symbols, with the scopes that enclose it, are larger
// than [WithMaxMessageBytes] allows. With a larger limit it may fit.
type ScopeTooLargeError struct {
	ScopeType string
	Name      string
	// Root is the name of the root scope that contains the scope, or is the scope.
	Root string
	// Bytes is the size of the smallest message that can hold the scope.
	Bytes int
	// MaxBytes is the limit.
	MaxBytes int
}

func (e *ScopeTooLargeError) Error() string {
	in := ""
	if e.Root != e.Name {
		in = fmt.Sprintf(" in root scope %q", clip(e.Root))
	}
	return fmt.Sprintf("scope %s %q%s needs a message of %d bytes even without its children, "+
		"more than this client's limit of %d: divide it into several scopes, or leave it out",
		clip(e.ScopeType), clip(e.Name), in, e.Bytes, e.MaxBytes)
}

// clip shortens a name, which may itself be too large.
func clip(name string) string {
	const maxBytes = 256
	if len(name) <= maxBytes {
		return name
	}
	return strings.ToValidUTF8(name[:maxBytes], "") + "…"
}

// split yields root in parts, each a root scope whose request takes at most maxBytes. The
// parts together have root's children, in order. A scope that is too large for a part is
// opened: each part with some of its children has a copy of its own fields, and the first
// of these parts its symbols. Parts share unopened scopes with root, so neither may be
// changed while the other is in use. Each part is built when it is needed. The same root
// and limit give the same parts.
//
// An error is a [*ScopeTooLargeError] and ends the sequence.
func split(root *symdbv1.Scope, maxBytes int) iter.Seq2[*symdbv1.Scope, error] {
	return func(yield func(*symdbv1.Scope, error) bool) {
		proto.Size(root) // caches the sizes of all scopes
		p := packer{maxBytes: maxBytes, yield: yield}
		if p.open(root) {
			yield(p.chain[0].copied, nil)
		}
	}
}

// packer fills one part after the other. A part is a chain of open scopes, root first.
// Children are added to the innermost one.
type packer struct {
	maxBytes int
	yield    func(*symdbv1.Scope, error) bool
	chain    []openScope
}

// openScope is a scope that is copied to every part with some of its children.
type openScope struct {
	source *symdbv1.Scope
	// repeatedBytes is the size of the fields that every part repeats.
	repeatedBytes int
	// copied is the copy in the current part; bytes is its size.
	copied *symdbv1.Scope
	bytes  int
}

// open adds a scope's own fields, then its children one by one. It returns false to end
// the sequence of parts.
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

// pack adds a scope whole, to this part or the next. If it fits neither, pack opens it.
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

// flush yields the part and begins the next one with the repeated fields. It is called
// only if the next scope fits there and not here, so that every part has a new scope.
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

// add adds a scope of that size to the innermost open scope.
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

// fits reports whether a scope of that size fits into the part.
func (p *packer) fits(size int) bool {
	added := embeddedSize(size)
	request := added
	for _, open := range slices.Backward(p.chain) {
		request = embeddedSize(open.bytes + added)
		added = request - embeddedSize(open.bytes)
	}
	return request <= p.maxBytes
}

// sizeAlone returns the size of a request with a single scope of that size and the
// repeated fields.
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

// copyOwn copies all fields of a scope except symbols and scopes. It uses reflection, to
// include new and unknown fields.
func copyOwn(scope *symdbv1.Scope) *symdbv1.Scope {
	copied := &symdbv1.Scope{}
	source, target := scope.ProtoReflect(), copied.ProtoReflect()
	source.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if field.Number() != symbolsField && field.Number() != scopesField {
			target.Set(field, value)
		}
		return true
	})
	target.SetUnknown(source.GetUnknown())
	return copied
}

var (
	scopeFields  = (*symdbv1.Scope)(nil).ProtoReflect().Descriptor().Fields()
	symbolsField = scopeFields.ByName("symbols").Number()
	scopesField  = scopeFields.ByName("scopes").Number()
)

// cachedSize returns the size of scope, computed by the last proto.Size of it or of a
// scope that contains it.
func cachedSize(scope *symdbv1.Scope) int {
	return proto.MarshalOptions{UseCachedSize: true}.Size(scope)
}

// embeddedSize returns the size of a scope as a field of another scope or of a request.
// In both the field's tag has one byte.
func embeddedSize(size int) int {
	return 1 + protowire.SizeBytes(size)
}
