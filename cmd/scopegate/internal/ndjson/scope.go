package ndjson

import (
	"encoding/json"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
)

// isKind reports whether a field is a scope's or a symbol's kind: a string that must not
// be empty. Those are the strings without presence.
func isKind(field protoreflect.FieldDescriptor) bool {
	return field.Kind() == protoreflect.StringKind && !field.IsList() && !field.HasPresence()
}

// isNeeded reports whether an object must have the field's key, and not as null.
func isNeeded(field protoreflect.FieldDescriptor) bool {
	return isKind(field) || field.FullName() == "symdb.v1.Symbol.name"
}

// openMap is the field for the keys that have none. In JSON they are beside the others.
const openMap = "additional"

// message reads an object, whose delimiter was read, into m.
func (d *decoder) message(m protoreflect.Message) error {
	seen, err := d.members(m)
	if err != nil {
		return err
	}
	return d.complete(m, seen)
}

// members is message without the check for missing keys. It returns the object's keys. Those that are
// not the names of m's fields go to its open map.
func (d *decoder) members(m protoreflect.Message) (seen map[string]bool, err error) {
	fields := m.Descriptor().Fields()
	open := fields.ByName(openMap)
	seen = make(map[string]bool)
	err = d.object(func(key string) error {
		if seen[key] {
			return d.wrong("duplicate key")
		}
		seen[key] = true
		field := fields.ByName(protoreflect.Name(key))
		switch {
		case field != nil && !field.IsMap():
			return d.field(m, field)
		case open == nil:
			return d.wrong("unknown key")
		}
		value, err := d.value()
		if err == nil {
			m.Mutable(open).Map().Set(protoreflect.ValueOfString(key).MapKey(), protoreflect.ValueOfMessage(value.ProtoReflect()))
		}
		return err
	})
	return seen, err
}

// complete fails if m lacks a key that is needed, or has the name of its open map as a key. The
// server would ignore that key, or send it as it is.
func (d *decoder) complete(m protoreflect.Message, seen map[string]bool) error {
	fields := m.Descriptor().Fields()
	if seen[openMap] {
		d.path = append(d.path, step{key: openMap, index: -1})
		return d.wrong("not a key here; write its entries beside the other keys")
	}
	for i := range fields.Len() {
		field := fields.Get(i)
		if isNeeded(field) && !seen[string(field.Name())] {
			return d.wrong("missing key %s", field.Name())
		}
	}
	return nil
}

// field reads the value of a field. Null is an absent field.
func (d *decoder) field(m protoreflect.Message, field protoreflect.FieldDescriptor) error {
	token, err := d.token()
	if err != nil || token == nil && !isNeeded(field) {
		return err
	}
	switch {
	case field.IsList():
		if err := d.expect(token, '[', "an array"); err != nil {
			return err
		}
		list := m.Mutable(field).List()
		return d.elements(func() error { return d.element(list, field) })
	case field.Message() != nil:
		if err := d.expect(token, '{', "an object"); err != nil {
			return err
		}
		return d.message(m.Mutable(field).Message())
	}
	v, err := d.scalar(field, token)
	if err == nil {
		m.Set(field, v)
	}
	return err
}

// element reads an element of a field's list.
func (d *decoder) element(list protoreflect.List, field protoreflect.FieldDescriptor) error {
	if field.Message() != nil {
		if err := d.begin('{', "an object"); err != nil {
			return err
		}
		return d.message(list.AppendMutable().Message())
	}
	token, err := d.token()
	if err != nil {
		return err
	}
	v, err := d.scalar(field, token)
	if err == nil {
		list.Append(v)
	}
	return err
}

// scalar returns the boolean, integer or string of a token.
func (d *decoder) scalar(field protoreflect.FieldDescriptor, token json.Token) (none protoreflect.Value, err error) {
	switch field.Kind() {
	case protoreflect.BoolKind:
		if b, ok := token.(bool); ok {
			return protoreflect.ValueOfBool(b), nil
		}
		return none, d.wrong("%s, not a boolean", kindOf(token))
	case protoreflect.Int32Kind:
		number, ok := token.(json.Number)
		if !ok {
			return none, d.wrong("%s, not an integer", kindOf(token))
		}
		n, err := strconv.ParseInt(number.String(), 10, 32)
		if err != nil {
			return none, d.wrong("%s is not a 32-bit integer", cut(number.String()))
		}
		return protoreflect.ValueOfInt32(int32(n)), nil
	default:
	}
	text, ok := token.(string)
	switch {
	case !ok:
		return none, d.wrong("%s, not a string", kindOf(token))
	case text == "" && isKind(field):
		return none, d.wrong("must not be empty")
	}
	return protoreflect.ValueOfString(text), nil
}

// value reads any JSON value.
func (d *decoder) value() (*structpb.Value, error) {
	token, err := d.token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case nil:
		return structpb.NewNullValue(), nil
	case bool:
		return structpb.NewBoolValue(t), nil
	case string:
		return structpb.NewStringValue(t), nil
	case json.Number:
		return d.number(t.String())
	case json.Delim:
		if t == '[' {
			return d.list()
		}
		return d.structure()
	}
	return nil, d.wrong("%s, not a value", kindOf(token))
}

func (d *decoder) list() (*structpb.Value, error) {
	out := &structpb.ListValue{}
	err := d.elements(func() error {
		v, err := d.value()
		out.Values = append(out.Values, v)
		return err
	})
	return structpb.NewListValue(out), err
}

func (d *decoder) structure() (*structpb.Value, error) {
	out := &structpb.Struct{Fields: make(map[string]*structpb.Value)}
	err := d.object(func(key string) (err error) {
		if _, ok := out.Fields[key]; ok {
			return d.wrong("duplicate key")
		}
		out.Fields[key], err = d.value()
		return err
	})
	return structpb.NewStructValue(out), err
}

// number returns a number as a double, the only type of number in the open map. An
// integer must be the double's exact value, or the shortest text for it.
func (d *decoder) number(literal string) (*structpb.Value, error) {
	n, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return nil, d.wrong("%s is out of range for a double", cut(literal))
	}
	if !strings.ContainsAny(literal, ".eE") &&
		strconv.FormatFloat(n, 'f', 0, 64) != literal && strconv.FormatFloat(n, 'f', -1, 64) != literal {
		return nil, d.wrong("a double can't hold the integer %s exactly", cut(literal))
	}
	return structpb.NewNumberValue(n), nil
}
