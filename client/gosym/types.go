package gosym

import (
	"debug/dwarf"
	"fmt"
	"strings"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// maxTypeNames bounds the names that typeNames caches.
const maxTypeNames = 1 << 14

// maxTypeHops bounds how many typedefs of type parameters are followed.
const maxTypeHops = 8

// typeNames reads and caches the names of types.
type typeNames struct {
	reader *dwarf.Reader
	names  map[dwarf.Offset]string
}

// name returns the name of the type that e refers to, or "".
func (t *typeNames) name(e *dwarf.Entry) (string, error) {
	offset, ok := e.Val(dwarf.AttrType).(dwarf.Offset)
	if !ok {
		return "", nil
	}
	if name, ok := t.names[offset]; ok {
		return name, nil
	}
	name, err := t.read(offset)
	if err != nil {
		return "", fmt.Errorf("read type at %#x: %w", offset, err)
	}
	if len(t.names) >= maxTypeNames {
		clear(t.names)
	}
	t.names[offset] = name
	return name, nil
}

func (t *typeNames) read(offset dwarf.Offset) (string, error) {
	for range maxTypeHops {
		t.reader.Seek(offset)
		e, err := t.reader.Next()
		if err != nil || e == nil {
			return "", err
		}
		name := nameOf(e)
		target, ok := e.Val(dwarf.AttrType).(dwarf.Offset)
		if e.Tag != dwarf.TagTypedef || !strings.HasPrefix(name, ".param") || !ok {
			return plainType(name), nil
		}
		offset = target
	}
	return "", nil
}

// typeScope builds the scope of a type with its fields and methods.
func (w *walk) typeScope(t *typeIndex, out *parts) error {
	scope := &symdbv1.Scope{ScopeType: scopeStruct, Name: new(t.qualified)}
	for i, offset := range t.structs {
		fields, err := w.fields(offset)
		if err != nil {
			return fmt.Errorf("type %s: %w", t.qualified, err)
		}
		if i == 0 {
			scope.Symbols = fields
			continue
		}
		generalize(scope.GetSymbols(), fields)
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

// fields reads the fields of a struct.
func (w *walk) fields(offset dwarf.Offset) ([]*symdbv1.Symbol, error) {
	n, err := nodeAt(w.reader, offset)
	if err != nil {
		return nil, err
	}
	var fields []*symdbv1.Symbol
	for _, member := range n.nodes {
		if member.Tag != dwarf.TagMember {
			continue
		}
		typeName, err := w.types.name(member.Entry)
		if err != nil {
			return nil, err
		}
		fields = append(fields, &symdbv1.Symbol{
			Name:       new(nameOf(member.Entry)),
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
