package gosym

import (
	"debug/dwarf"
	"fmt"
	"strings"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// maxTypeNames bounds the names that typeNames caches, maxTypeNameBytes their sum.
const (
	maxTypeNames     = 1 << 12
	maxTypeNameBytes = 1 << 20
)

// maxTypeHops bounds how many typedefs of type parameters are followed.
const maxTypeHops = 8

// typeNames reads and caches the names of types.
type typeNames struct {
	reader *entryReader
	names  map[dwarf.Offset]string
	bytes  int
}

// name returns the name of the type that e refers to, or "".
func (t *typeNames) name(e *entry) (string, error) {
	if e.has&hasType == 0 {
		return "", nil
	}
	if name, ok := t.names[e.typ]; ok {
		return name, nil
	}
	name, err := t.read(e.typ)
	if err != nil {
		return "", fmt.Errorf("read type at %#x: %w", e.typ, err)
	}
	name = strings.Clone(name) // scopes keep it
	if t.bytes += len(name); len(t.names) >= maxTypeNames || t.bytes > maxTypeNameBytes {
		clear(t.names)
		t.bytes = len(name)
	}
	t.names[e.typ] = name
	return name, nil
}

func (t *typeNames) read(offset dwarf.Offset) (string, error) {
	for range maxTypeHops {
		var e entry
		t.reader.seek(offset)
		ok, err := t.reader.next(&e)
		if err != nil || !ok {
			return "", err
		}
		if e.tag != dwarf.TagTypedef || !strings.HasPrefix(e.name, ".param") || e.has&hasType == 0 {
			return plainType(e.name), nil
		}
		offset = e.typ
	}
	return "", nil
}

// typeScope adds the scope of a type with its fields and methods.
func (w *walk) typeScope(t *typeIndex, out *parts) error {
	scope := &symdbv1.Scope{ScopeType: scopeStruct, Name: new(t.qualified)}
	err := guarded(func() (err error) {
		scope.Symbols, err = w.commonFields(t.structs)
		return err
	})
	if err != nil {
		return fmt.Errorf("type %s: %w", t.qualified, err)
	}
	if !out.begin(scope) {
		return nil
	}
	defer out.end()
	for i := range t.methods {
		method, err := w.function(&t.methods[i], scopeMethod)
		if err != nil || !out.add(method) {
			return err
		}
	}
	return nil
}

// commonFields reads the fields of a struct, which has several entries if it is generic.
func (w *walk) commonFields(structs []dwarf.Offset) ([]*symdbv1.Symbol, error) {
	var common []*symdbv1.Symbol
	for i, offset := range structs {
		fields, err := w.fields(offset)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			common = fields
			continue
		}
		generalize(common, fields)
	}
	return common, nil
}

// fields reads the fields of a struct.
func (w *walk) fields(offset dwarf.Offset) ([]*symdbv1.Symbol, error) {
	w.reader.reset()
	n, err := w.reader.nodeAt(offset)
	if err != nil {
		return nil, err
	}
	w.scopeBytes = 0
	var fields []*symdbv1.Symbol
	for child := range n.children() {
		member := child.entry()
		if member.tag != dwarf.TagMember {
			continue
		}
		typeName, err := w.types.name(member)
		if err != nil {
			return nil, err
		}
		if err := w.grow(symbolBytes + len(member.name) + len(typeName)); err != nil {
			return nil, err
		}
		fields = append(fields, &symdbv1.Symbol{
			Name:       new(strings.Clone(member.name)),
			Type:       new(typeName),
			SymbolType: symbolField,
		})
	}
	return fields, nil
}

// generalize changes the types of fields to their common types with another instance
// of a generic type.
func generalize(fields, other []*symdbv1.Symbol) {
	for i, f := range fields {
		if i < len(other) {
			f.Type = new(commonType(f.GetType(), other[i].GetType()))
		}
	}
}
