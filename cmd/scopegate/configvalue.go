package main

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml/ast"
)

// shape is the form that a flag's value has in YAML.
type shape struct {
	name    string
	scalars []ast.NodeType
	// list and mapping say that there can be several scalars.
	list, mapping bool
	// separator stands between the items of a list or mapping in kong's own form.
	separator rune
	// exact is set where the items of a list are taken as they are.
	exact bool
}

var textTypes = []ast.NodeType{ast.StringType, ast.LiteralType}

func shapeOf(value *kong.Value) shape {
	target := value.Target.Type()
	if value.IsSlice() || value.IsMap() {
		s := scalarShape(target.Elem())
		s.list, s.mapping = value.IsSlice(), value.IsMap()
		s.separator = value.Tag.Sep
		if s.mapping {
			s.separator = value.Tag.MapSep
		}
		s.exact = s.list && target.Elem() == reflect.TypeFor[string]()
		return s
	}
	if value.IsBool() {
		return shape{name: "true or false", scalars: []ast.NodeType{ast.BoolType}}
	}
	return scalarShape(target)
}

func scalarShape(t reflect.Type) shape {
	integer := []ast.NodeType{ast.IntegerType}
	switch {
	case t == reflect.TypeFor[size]():
		return shape{name: "a size", scalars: slices.Concat(textTypes, integer)}
	case t == reflect.TypeFor[time.Duration]():
		return shape{name: "a duration such as 30s", scalars: slices.Concat(textTypes, integer)}
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return shape{name: "a string", scalars: textTypes}
	}
	switch t.Kind() {
	case reflect.Bool:
		return shape{name: "true or false", scalars: []ast.NodeType{ast.BoolType}}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return shape{name: "an integer", scalars: integer}
	case reflect.Float32, reflect.Float64:
		return shape{name: "a number", scalars: append(integer, ast.FloatType)}
	default:
		return shape{name: "a string", scalars: textTypes}
	}
}

// read returns what kong shall parse for node.
func (s shape) read(node ast.Node) (any, error) {
	list, isList := node.(*ast.SequenceNode)
	mapping, isMapping := node.(ast.MapNode)
	switch {
	case isList && s.list:
		return s.readList(list.Values)
	case isMapping && s.mapping:
		return s.readMapping(mapping)
	case isList, isMapping, s.mapping:
		return nil, s.mismatch(node)
	}
	return s.readScalar(node)
}

func (s shape) readMapping(mapping ast.MapNode) (any, error) {
	var items []string
	for rows := mapping.MapRange(); rows.Next(); {
		text, err := s.readScalar(rows.Value())
		if err != nil {
			return nil, err
		}
		items = append(items, rows.Key().GetToken().Value+"="+text)
	}
	return kong.JoinEscaped(items, s.separator), nil
}

func (s shape) readList(nodes []ast.Node) (any, error) {
	items := make([]string, len(nodes))
	exact := make([]any, len(nodes))
	for i, node := range nodes {
		text, err := s.readScalar(node)
		if err != nil {
			return nil, err
		}
		items[i], exact[i] = text, text
	}
	if s.exact {
		return exact, nil
	}
	return kong.JoinEscaped(items, s.separator), nil
}

func (s shape) readScalar(node ast.Node) (string, error) {
	scalar, ok := node.(ast.ScalarNode)
	if !ok || !slices.Contains(s.scalars, node.Type()) {
		return "", s.mismatch(node)
	}
	return fmt.Sprint(scalar.GetValue()), nil
}

func (s shape) mismatch(node ast.Node) error {
	want := s.name
	switch {
	case s.list:
		want = "a list, each item " + s.name
	case s.mapping:
		want = "a mapping, each value " + s.name
	}
	if node == nil || node.Type() == ast.NullType {
		return fmt.Errorf("want %s; there is no value (leave the key out for the default)", want)
	}
	return fmt.Errorf("want %s, not %s", want, kindOf(node))
}

func kindOf(node ast.Node) string {
	switch node.Type() {
	case ast.StringType, ast.LiteralType:
		return "a string"
	case ast.IntegerType:
		return "an integer"
	case ast.FloatType, ast.InfinityType, ast.NanType:
		return "a number with a fraction"
	case ast.BoolType:
		return "true or false (quote it if it is a string)"
	case ast.SequenceType:
		return "a list"
	case ast.MappingType, ast.MappingValueType:
		return "a mapping"
	default:
		return "an anchor, alias or tag"
	}
}

// tryParse says what is wrong with a value, in kong's words, but for the flag's
// name in front.
func tryParse(value *kong.Value, parsed any) error {
	// Parse marks the flag as set, which it is not yet.
	defer func(set bool) { value.Set = set }(value.Set)
	target := reflect.New(value.Target.Type()).Elem()
	if err := value.Parse(kong.Scan().PushTyped(parsed, kong.FlagValueToken), target); err != nil {
		if inner := errors.Unwrap(err); inner != nil {
			return inner
		}
		return err
	}
	if value.Enum == "" || value.IsSlice() || value.IsMap() || value.EnumMap()[fmt.Sprint(target.Interface())] {
		return nil
	}
	return fmt.Errorf("%q is none of %s", target.Interface(), strings.Join(value.EnumSlice(), ", "))
}
