package settings

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml/ast"
)

// shape is the form of a flag's value in YAML. A scalar stands for its text, as on the
// command line, whatever its type in YAML.
type shape struct {
	name          string
	list, mapping bool
	// separator separates the items of a list or mapping in kong's own form.
	separator rune
	// exact means that the items of a list need no parsing.
	exact bool
}

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
	return scalarShape(target)
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

func scalarShape(t reflect.Type) shape {
	switch {
	case t == reflect.TypeFor[Size]():
		return shape{name: "a size"}
	case t == reflect.TypeFor[time.Duration]():
		return shape{name: durationForm}
	case reflect.PointerTo(t).Implements(textUnmarshaler):
		return shape{name: "a string"}
	}
	switch t.Kind() {
	case reflect.Bool:
		return shape{name: "true or false"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return shape{name: integerForm}
	case reflect.Float32, reflect.Float64:
		return shape{name: "a number"}
	default:
		return shape{name: "a string"}
	}
}

// read returns the value of node, for kong to parse.
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

// readScalar returns the text of a scalar: unquoted if it is a quoted or block one, and
// as in the file if it is a plain one.
func (s shape) readScalar(node ast.Node) (string, error) {
	switch scalar := node.(type) {
	case *ast.StringNode:
		return scalar.Value, nil
	case *ast.LiteralNode:
		return scalar.Value.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return node.GetToken().Value, nil
	}
	return "", s.mismatch(node)
}

func (s shape) mismatch(node ast.Node) error {
	if node == nil || node.Type() == ast.NullType {
		return fmt.Errorf("no value, want %s (omit the key for the default)", s.wanted())
	}
	return fmt.Errorf("got %s, want %s", kindOf(node), s.wanted())
}

func (s shape) wanted() string {
	switch {
	case s.list:
		return "a list with each item " + s.name
	case s.mapping:
		return "a mapping with each value " + s.name
	}
	return s.name
}

func kindOf(node ast.Node) string {
	switch node.Type() {
	case ast.SequenceType:
		return "a list"
	case ast.MappingType, ast.MappingValueType:
		return "a mapping"
	default:
		return "an anchor, alias or tag"
	}
}

// tryParse fails if value can't be parsed. Its errors do not repeat the value.
func tryParse(value *kong.Value, parsed any) error {
	// Parse marks the flag as set, but it is not set yet.
	defer func(set bool) { value.Set = set }(value.Set)
	target := reflect.New(value.Target.Type()).Elem()
	if err := value.Parse(kong.Scan().PushTyped(parsed, kong.FlagValueToken), target); err != nil {
		if inner := errors.Unwrap(err); inner != nil && reflect.PointerTo(target.Type()).Implements(textUnmarshaler) {
			return inner // of our own type, which does not repeat the value
		}
		text, _ := parsed.(string)
		return isNot(text, shapeOf(value).wanted())
	}
	if value.Enum == "" || value.IsSlice() || value.IsMap() || value.EnumMap()[fmt.Sprint(target.Interface())] {
		return nil
	}
	return fmt.Errorf("the value must be one of %s", strings.Join(value.EnumSlice(), ", "))
}

// number matches numbers with a unit. No key matches it.
var number = regexp.MustCompile(`^[-+]?[0-9][0-9.]{0,11}[A-Za-z]{0,3}$`)

// popNumber reads a value that may begin with a minus. kind names it in errors.
func popNumber(ctx *kong.DecodeContext, kind string) (text string, err error) {
	if next, ok := ctx.Scan.Peek().Value.(string); ok && number.MatchString(next) {
		ctx.Scan.Pop()
		return next, nil
	}
	err = ctx.Scan.PopValueInto(kind, &text)
	return text, err
}

// isNot returns the error for a value of another form. It repeats the value if that is a
// number.
func isNot(text, wanted string) error {
	if !number.MatchString(text) {
		text = "the value"
	}
	return fmt.Errorf("%s is not %s", text, wanted)
}

// durationForm describes a duration in errors.
const durationForm = "a duration such as 30s or 24h"

// decodeDuration reads a duration. Unlike kong's own, its errors do not repeat a value that
// may be a key.
func decodeDuration(ctx *kong.DecodeContext, target reflect.Value) error {
	text, err := popNumber(ctx, "duration")
	if err != nil {
		return err
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return isNot(text, durationForm)
	}
	target.SetInt(int64(d))
	return nil
}

// decodeSize reads a size.
func decodeSize(ctx *kong.DecodeContext, target reflect.Value) error {
	text, err := popNumber(ctx, "size")
	if err != nil {
		return err
	}
	var size Size
	if err := size.UnmarshalText([]byte(text)); err != nil {
		return err
	}
	target.SetInt(int64(size))
	return nil
}

// integerForm describes an integer in errors.
const integerForm = "a decimal integer"

// decodeInteger reads a decimal integer. Unlike in Go, 010 is 10.
func decodeInteger(ctx *kong.DecodeContext, target reflect.Value) error {
	text, err := popNumber(ctx, "integer")
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return isNot(text, integerForm)
	}
	target.SetInt(int64(n))
	return nil
}
