package verify

import (
	"encoding/json"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Object returns the JSON object of a scope, a symbol, or a part of one. Integers are a
// json.Number, as a decoder with UseNumber returns them; other numbers are a float64.
//
// It is written from docs/protocol.md and shares no code with the server, so that the
// two can be compared.
func Object(message proto.Message) map[string]any { return object(message.ProtoReflect()) }

func object(message protoreflect.Message) map[string]any {
	fields := message.Descriptor().Fields()
	out := make(map[string]any, fields.Len())
	for i := range fields.Len() {
		field := fields.Get(i)
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
	if open, ok := message.Interface().(interface {
		GetAdditional() map[string]*structpb.Value
	}); ok {
		_, isSpecifics := message.Interface().(*symdbv1.LanguageSpecifics)
		for key, value := range open.GetAdditional() {
			_, isWritten := out[key]
			if isReserved := !isSpecifics && fields.ByName(protoreflect.Name(key)) != nil; !isWritten && !isReserved {
				out[key] = value.AsInterface()
			}
		}
	}
	return out
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
		return object(v.Message())
	}
	if n, ok := v.Interface().(int32); ok {
		return json.Number(strconv.FormatInt(int64(n), 10))
	}
	return v.Interface()
}
