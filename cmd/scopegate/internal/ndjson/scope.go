package ndjson

import (
	"encoding/json"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

const (
	symbolName protoreflect.FullName = "symdb.v1.Symbol.name"
	symbolType protoreflect.FullName = "symdb.v1.Symbol.type"
)

// isKind reports whether a field is a scope's or a symbol's kind: a string that must not
// be empty. Those are the strings without presence.
func isKind(field protoreflect.FieldDescriptor) bool {
	return field.Kind() == protoreflect.StringKind && !field.IsList() && !field.HasPresence()
}

// message reads an object into m. Its keys are the names of m's fields. Other keys of
// language specifics go to the open map.
func (d *decoder) message(m protoreflect.Message) error {
	if err := d.begin('{', "an object"); err != nil {
		return err
	}
	fields := m.Descriptor().Fields()
	specifics, isOpen := m.Interface().(*symdbv1.LanguageSpecifics)
	seen := make(map[string]bool)
	err := d.members(func(key string) (err error) {
		if seen[key] {
			return d.wrong("the key occurs twice")
		}
		seen[key] = true
		field := fields.ByName(protoreflect.Name(key))
		switch {
		case field != nil && !field.IsMap():
			return d.field(m, field)
		case !isOpen:
			return d.wrong("unknown key")
		case specifics.Additional == nil:
			specifics.Additional = make(map[string]*structpb.Value)
		}
		specifics.Additional[key], err = d.value()
		return err
	})
	if err != nil {
		return err
	}
	for i := range fields.Len() {
		field := fields.Get(i)
		if (isKind(field) || field.FullName() == symbolName) && !seen[string(field.Name())] {
			return d.wrong("the key %s is missing", field.Name())
		}
	}
	return nil
}

func (d *decoder) field(m protoreflect.Message, field protoreflect.FieldDescriptor) error {
	switch {
	case field.IsList():
		if err := d.begin('[', "an array"); err != nil {
			return err
		}
		list := m.Mutable(field).List()
		return d.elements(func() error {
			if field.Message() != nil {
				return d.message(list.AppendMutable().Message())
			}
			v, err := d.scalar(field)
			if err == nil {
				list.Append(v)
			}
			return err
		})
	case field.Message() != nil:
		return d.message(m.Mutable(field).Message())
	}
	v, err := d.scalar(field)
	if err == nil && v.IsValid() {
		m.Set(field, v)
	}
	return err
}

// scalar reads a boolean, an integer or a string. Only a symbol's type can be null, which
// is the invalid value.
func (d *decoder) scalar(field protoreflect.FieldDescriptor) (none protoreflect.Value, err error) {
	token, err := d.token()
	if err != nil {
		return none, err
	}
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
			return none, d.wrong("%s is not an integer of 32 bits", cut(number.String()))
		}
		return protoreflect.ValueOfInt32(int32(n)), nil
	default:
	}
	text, ok := token.(string)
	switch {
	case ok && text == "" && isKind(field):
		return none, d.wrong("is empty")
	case ok:
		return protoreflect.ValueOfString(text), nil
	case field.FullName() != symbolType:
		return none, d.wrong("%s, not a string", kindOf(token))
	case token != nil:
		return none, d.wrong("%s, not a string or null", kindOf(token))
	}
	return none, nil
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
	err := d.members(func(key string) (err error) {
		if _, ok := out.Fields[key]; ok {
			return d.wrong("the key occurs twice")
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
		return nil, d.wrong("%s is out of range of a double", cut(literal))
	}
	if !strings.ContainsAny(literal, ".eE") &&
		strconv.FormatFloat(n, 'f', 0, 64) != literal && strconv.FormatFloat(n, 'f', -1, 64) != literal {
		return nil, d.wrong("a double can't hold the integer %s exactly", cut(literal))
	}
	return structpb.NewNumberValue(n), nil
}
