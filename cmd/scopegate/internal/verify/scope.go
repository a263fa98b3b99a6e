// Package scopejson says what JSON a scope becomes, as values of encoding/json.
//
// Start with [Object]. It is a second opinion, written from docs/protocol.md with
// protobuf reflection and sharing no code with the server, to check the server
// and to test decoders against. It builds a map for every object: to send
// scopes anywhere, use package client.
package scopejson

import (
	"encoding/json"
	"maps"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

const (
	childrenField = "scopes"
	symbolsField  = "symbols"
)

// Object returns the JSON object of a scope or a symbol, or of a part of one.
// Integers are a json.Number, as a decoder with UseNumber gives them; other
// numbers are a float64.
func Object(message proto.Message) map[string]any {
	return object(message.ProtoReflect(), func(protoreflect.Name) bool { return false })
}

// Own returns the JSON object of a scope without its children, and without its
// symbols unless they are wanted.
func Own(scope *symdbv1.Scope, withSymbols bool) map[string]any {
	return object(scope.ProtoReflect(), func(name protoreflect.Name) bool {
		return name == childrenField || name == symbolsField && !withSymbols
	})
}

// object leaves out the fields for which skip is true, in this message alone.
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

// addOpenKeys adds the keys of the open map, over which the typed ones win.
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
