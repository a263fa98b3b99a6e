package ndjson

import (
	"encoding/json"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Keys of objects, the required ones first: those that the server requires.
var (
	scopeKeys = []string{
		"scope_type",
		"name", "source_file", "start_line", "end_line", "has_injectible_lines", "injectible_lines", "language_specifics",
		"symbols", "scopes",
	}
	symbolKeys = []string{"name", "symbol_type", "type", "line", "language_specifics"}
	rangeKeys  = []string{"start", "end"}
)

const (
	scopeRequiredCount  = 1
	symbolRequiredCount = 2
	rangeRequiredCount  = 0
)

func (d *decoder) scope() (*symdbv1.Scope, error) {
	s := &symdbv1.Scope{}
	err := d.object(scopeKeys, scopeRequiredCount, func(key string) (err error) {
		switch key {
		case "scope_type":
			s.ScopeType, err = d.kind()
		case "name":
			s.Name, err = optional(d.text())
		case "source_file":
			s.SourceFile, err = optional(d.text())
		case "start_line":
			s.StartLine, err = d.integer()
		case "end_line":
			s.EndLine, err = d.integer()
		case "has_injectible_lines":
			s.HasInjectibleLines, err = optional(d.boolean())
		case "injectible_lines":
			s.InjectibleLines, err = array(d, d.lineRange)
		case "language_specifics":
			s.LanguageSpecifics, err = d.specifics()
		case "symbols":
			s.Symbols, err = array(d, d.symbol)
		case "scopes":
			s.Scopes, err = array(d, d.scope)
		}
		return err
	})
	return s, err
}

func (d *decoder) symbol() (*symdbv1.Symbol, error) {
	s := &symdbv1.Symbol{}
	err := d.object(symbolKeys, symbolRequiredCount, func(key string) (err error) {
		switch key {
		case "name":
			s.Name, err = optional(d.text())
		case "type":
			s.Type, err = d.textOrNull()
		case "symbol_type":
			s.SymbolType, err = d.kind()
		case "line":
			s.Line, err = optional(d.integer())
		case "language_specifics":
			s.LanguageSpecifics, err = d.specifics()
		}
		return err
	})
	return s, err
}

func (d *decoder) lineRange() (*symdbv1.LineRange, error) {
	r := &symdbv1.LineRange{}
	err := d.object(rangeKeys, rangeRequiredCount, func(key string) (err error) {
		switch key {
		case "start":
			r.Start, err = d.integer()
		case "end":
			r.End, err = d.integer()
		}
		return err
	})
	return r, err
}

func (d *decoder) specifics() (*symdbv1.LanguageSpecifics, error) {
	if err := d.begin('{', "an object"); err != nil {
		return nil, err
	}
	l := &symdbv1.LanguageSpecifics{}
	seen := make(map[string]struct{})
	err := d.members(func(key string) error {
		if _, ok := seen[key]; ok {
			return d.wrong("the key occurs twice")
		}
		seen[key] = struct{}{}
		return d.specific(l, key)
	})
	return l, err
}

// specific reads the value of one key, into the open map where it has no field.
func (d *decoder) specific(l *symdbv1.LanguageSpecifics, key string) (err error) {
	switch key {
	case "agent_version":
		l.AgentVersion, err = optional(d.text())
	case "go_qualified_name":
		l.GoQualifiedName, err = optional(d.text())
	case "available_line_ranges":
		l.AvailableLineRanges, err = array(d, d.lineRange)
	case "access_modifiers":
		l.AccessModifiers, err = array(d, d.text)
	case "annotations":
		l.Annotations, err = array(d, d.text)
	case "interfaces":
		l.Interfaces, err = array(d, d.text)
	case "super_class":
		l.SuperClass, err = optional(d.text())
	case "super_classes":
		l.SuperClasses, err = array(d, d.text)
	case "return_type":
		l.ReturnType, err = optional(d.text())
	case "start_column":
		l.StartColumn, err = optional(d.integer())
	case "end_column":
		l.EndColumn, err = optional(d.integer())
	case "pdb_exist":
		l.PdbExist, err = optional(d.boolean())
	case "file_hash":
		l.FileHash, err = optional(d.text())
	case "function_type":
		l.FunctionType, err = optional(d.text())
	case "method_type":
		l.MethodType, err = optional(d.text())
	case "visibility":
		l.Visibility, err = optional(d.text())
	case "arity":
		l.Arity, err = optional(d.integer())
	case "included_modules":
		l.IncludedModules, err = array(d, d.text)
	case "prepended_modules":
		l.PrependedModules, err = array(d, d.text)
	default:
		if l.Additional == nil {
			l.Additional = make(map[string]*structpb.Value)
		}
		l.Additional[key], err = d.value()
	}
	return err
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

// number reads a number as a double, in which protobuf carries those of the open
// map. An integer must be the double's exact value, or the shortest text for it.
func (d *decoder) number(literal string) (*structpb.Value, error) {
	n, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return nil, d.wrong("%s is out of the range of a double", cut(literal))
	}
	if !strings.ContainsAny(literal, ".eE") &&
		strconv.FormatFloat(n, 'f', 0, 64) != literal && strconv.FormatFloat(n, 'f', -1, 64) != literal {
		return nil, d.wrong("%s is an integer that a double can't hold exactly", cut(literal))
	}
	return structpb.NewNumberValue(n), nil
}
