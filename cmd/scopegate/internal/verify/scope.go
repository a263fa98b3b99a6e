package verify

import (
	"encoding/json"
	"maps"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Object returns the JSON object of a scope, a symbol, or a part of one. Integers are a
// json.Number, as a decoder with UseNumber returns them; other numbers are a float64.
//
// It is written from docs/protocol.md and shares no code with the server, so that the
// two can be compared.
func Object(message proto.Message) map[string]any {
	return object(message.ProtoReflect(), func(protoreflect.Name) bool { return false })
}

// ownObject returns the JSON object of a scope without its children, and without its
// symbols unless withSymbols is set.
func ownObject(scope *symdbv1.Scope, withSymbols bool) map[string]any {
	return object(scope.ProtoReflect(), func(name protoreflect.Name) bool {
		return name == childrenKey || name == "symbols" && !withSymbols
	})
}

// object leaves out the fields of message, but not of its fields, for which skip is true.
func object(message protoreflect.Message, skip func(protoreflect.Name) bool) map[string]any {
	fields := message.Descriptor().Fields()
	out := make(map[string]any, fields.Len())
	for i := range fields.Len() {
		field := fields.Get(i)
		if skip(field.Name()) {
			continue
		}
		switch {
		case field.IsMap():
		case field.IsList():
			if list := message.Get(field).List(); list.Len() > 0 {
				out[string(field.Name())] = array(field, list)
			}
		case message.Has(field) || !field.HasPresence():
			out[string(field.Name())] = value(field, message.Get(field))
		case field.FullName() == "symdb.v1.Symbol.type":
			out[string(field.Name())] = nil
		}
	}
	if specifics, ok := message.Interface().(*symdbv1.LanguageSpecifics); ok {
		addOpenKeys(out, specifics)
	}
	return out
}

// addOpenKeys adds the keys of the open map. Typed keys override them.
func addOpenKeys(out map[string]any, specifics *symdbv1.LanguageSpecifics) {
	typed := maps.Clone(out)
	for key, value := range specifics.GetAdditional() {
		out[key] = value.AsInterface()
	}
	maps.Copy(out, typed)
}

func array(field protoreflect.FieldDescriptor, list protoreflect.List) []any {
	out := make([]any, list.Len())
	for i := range out {
		out[i] = value(field, list.Get(i))
	}
	return out
}

func value(field protoreflect.FieldDescriptor, v protoreflect.Value) any {
	if field.Message() != nil {
		return object(v.Message(), func(protoreflect.Name) bool { return false })
	}
	if n, ok := v.Interface().(int32); ok {
		return json.Number(strconv.FormatInt(int64(n), 10))
	}
	return v.Interface()
}
