// Package transcodetest is what tests hold the transcoder against: [JSON] goes
// another way to the same bytes, [Scopes] generates scopes, [Shuffle] and
// [Reorder] write them as other encoders might, and [Recorder] takes what is written.
//
// It is for tests only; it is slow and panics where it is used wrongly.
package transcodetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"      //nolint:depguard // the reference works on Go structs
	"github.com/scopegate/scopegate/server/internal/transcode" //nolint:depguard // what is tested
)

// Plan compiles the plan for a scope, with the rules that the JSON format has
// for it.
func Plan() *transcode.Plan {
	plan, err := transcode.Compile((*symdbv1.Scope)(nil).ProtoReflect().Descriptor(), transcode.Rules{
		Null:     []protoreflect.FullName{"symdb.v1.Symbol.type"},
		Required: []protoreflect.FullName{"symdb.v1.Symbol.name"},
		Reserved: map[protoreflect.FullName]protoreflect.Name{"symdb.v1.Scope": "symbols", "symdb.v1.Symbol": ""},
	})
	if err != nil {
		panic(err)
	}
	return plan
}

// JSON renders a scope with encoding/json: from a Go struct, by way of other
// structs whose tags are the format.
func JSON(scope *symdbv1.Scope) ([]byte, error) {
	encoded, err := encode(scopeOf(scope))
	if err != nil {
		return nil, fmt.Errorf("render scope: %w", err)
	}
	return encoded, nil
}

type scopeJSON struct {
	ScopeType          string         `json:"scope_type"`
	Name               *string        `json:"name,omitempty"`
	SourceFile         *string        `json:"source_file,omitempty"`
	StartLine          int32          `json:"start_line"`
	EndLine            int32          `json:"end_line"`
	HasInjectibleLines *bool          `json:"has_injectible_lines,omitempty"`
	InjectibleLines    []rangeJSON    `json:"injectible_lines,omitempty"`
	LanguageSpecifics  *specificsJSON `json:"language_specifics,omitempty"`

	additional open
	children   childrenJSON
}

// childrenJSON comes behind the additional keys.
type childrenJSON struct {
	Symbols []symbolJSON `json:"symbols,omitempty"`
	Scopes  []scopeJSON  `json:"scopes,omitempty"`
}

type symbolJSON struct {
	Name              string         `json:"name"`
	Type              *string        `json:"type"`
	SymbolType        string         `json:"symbol_type"`
	Line              *int32         `json:"line,omitempty"`
	LanguageSpecifics *specificsJSON `json:"language_specifics,omitempty"`

	additional open
}

type rangeJSON struct {
	Start int32 `json:"start"`
	End   int32 `json:"end"`
}

type specificsJSON struct {
	AgentVersion        *string     `json:"agent_version,omitempty"`
	GoQualifiedName     *string     `json:"go_qualified_name,omitempty"`
	AvailableLineRanges []rangeJSON `json:"available_line_ranges,omitempty"`
	AccessModifiers     []string    `json:"access_modifiers,omitempty"`
	Annotations         []string    `json:"annotations,omitempty"`
	Interfaces          []string    `json:"interfaces,omitempty"`
	SuperClass          *string     `json:"super_class,omitempty"`
	SuperClasses        []string    `json:"super_classes,omitempty"`
	ReturnType          *string     `json:"return_type,omitempty"`
	StartColumn         *int32      `json:"start_column,omitempty"`
	EndColumn           *int32      `json:"end_column,omitempty"`
	PdbExist            *bool       `json:"pdb_exist,omitempty"`
	FileHash            *string     `json:"file_hash,omitempty"`
	FunctionType        *string     `json:"function_type,omitempty"`
	MethodType          *string     `json:"method_type,omitempty"`
	Visibility          *string     `json:"visibility,omitempty"`
	Arity               *int32      `json:"arity,omitempty"`
	IncludedModules     []string    `json:"included_modules,omitempty"`
	PrependedModules    []string    `json:"prepended_modules,omitempty"`

	additional open
}

// open is an open map.
type open map[string]*structpb.Value

// The same types without their methods, which would call themselves.
type (
	plainScope     scopeJSON
	plainSymbol    symbolJSON
	plainSpecifics specificsJSON
)

// MarshalJSON joins the typed keys and the additional ones.
func (s scopeJSON) MarshalJSON() ([]byte, error) {
	own, err := s.additional.join(plainScope(s), scopeKeys)
	if err != nil {
		return nil, err
	}
	children, err := encode(s.children)
	if err != nil || len(children) == len("{}") {
		return own, err
	}
	return append(append(own[:len(own)-1], ','), children[1:]...), nil
}

// MarshalJSON joins the typed keys and the additional ones.
func (s symbolJSON) MarshalJSON() ([]byte, error) {
	return s.additional.join(plainSymbol(s), symbolKeys)
}

// MarshalJSON joins the typed keys and the additional ones.
func (s specificsJSON) MarshalJSON() ([]byte, error) {
	return s.additional.join(plainSpecifics(s), nil)
}

// Keys that an open map can't give.
var (
	scopeKeys = []string{
		"scope_type", "name", "source_file", "start_line", "end_line", "has_injectible_lines", "injectible_lines",
		"language_specifics", "symbols", "scopes", "additional",
	}
	symbolKeys = []string{"name", "type", "symbol_type", "line", "language_specifics", "additional"}
)

// join encodes v, and the keys that it does not have and that are not reserved.
func (o open) join(v any, reserved []string) ([]byte, error) {
	typed, err := encode(v)
	if err != nil {
		return nil, err
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(typed, &keys); err != nil {
		return nil, fmt.Errorf("read typed keys: %w", err)
	}
	rest := map[string]any{}
	for key, value := range o {
		if _, ok := keys[key]; !ok && !slices.Contains(reserved, key) {
			rest[key] = value.AsInterface()
		}
	}
	additional, err := encode(rest)
	if err != nil {
		return nil, err
	}
	switch {
	case len(rest) == 0:
		return typed, nil
	case len(keys) == 0:
		return additional, nil
	}
	return append(append(typed[:len(typed)-1], ','), additional[1:]...), nil
}

func scopeOf(s *symdbv1.Scope) scopeJSON {
	out := scopeJSON{
		ScopeType:          s.GetScopeType(),
		Name:               s.Name,
		SourceFile:         s.SourceFile,
		StartLine:          s.GetStartLine(),
		EndLine:            s.GetEndLine(),
		HasInjectibleLines: s.HasInjectibleLines,
		InjectibleLines:    rangesOf(s.GetInjectibleLines()),
		LanguageSpecifics:  specificsOf(s.GetLanguageSpecifics()),
		additional:         s.GetAdditional(),
	}
	for _, symbol := range s.GetSymbols() {
		out.children.Symbols = append(out.children.Symbols, symbolJSON{
			Name:              symbol.GetName(),
			Type:              symbol.Type,
			SymbolType:        symbol.GetSymbolType(),
			Line:              symbol.Line,
			LanguageSpecifics: specificsOf(symbol.GetLanguageSpecifics()),
			additional:        symbol.GetAdditional(),
		})
	}
	for _, child := range s.GetScopes() {
		out.children.Scopes = append(out.children.Scopes, scopeOf(child))
	}
	return out
}

func rangesOf(ranges []*symdbv1.LineRange) []rangeJSON {
	var out []rangeJSON
	for _, r := range ranges {
		out = append(out, rangeJSON{Start: r.GetStart(), End: r.GetEnd()})
	}
	return out
}

func specificsOf(l *symdbv1.LanguageSpecifics) *specificsJSON {
	if l == nil {
		return nil
	}
	return &specificsJSON{
		AgentVersion:        l.AgentVersion,
		GoQualifiedName:     l.GoQualifiedName,
		AvailableLineRanges: rangesOf(l.GetAvailableLineRanges()),
		AccessModifiers:     l.GetAccessModifiers(),
		Annotations:         l.GetAnnotations(),
		Interfaces:          l.GetInterfaces(),
		SuperClass:          l.SuperClass,
		SuperClasses:        l.GetSuperClasses(),
		ReturnType:          l.ReturnType,
		StartColumn:         l.StartColumn,
		EndColumn:           l.EndColumn,
		PdbExist:            l.PdbExist,
		FileHash:            l.FileHash,
		FunctionType:        l.FunctionType,
		MethodType:          l.MethodType,
		Visibility:          l.Visibility,
		Arity:               l.Arity,
		IncludedModules:     l.GetIncludedModules(),
		PrependedModules:    l.GetPrependedModules(),
		additional:          l.GetAdditional(),
	}
}

// encode is json.Marshal without the escapes that only HTML needs.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return unescapeSeparators(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// unescapeSeparators writes U+2028 and U+2029 as themselves. encoding/json
// escapes them for the sake of JavaScript; RFC 8259 does not ask for it.
func unescapeSeparators(encoded []byte) []byte {
	out := make([]byte, 0, len(encoded))
	for i := 0; i < len(encoded); i++ {
		switch {
		case encoded[i] != '\\':
			out = append(out, encoded[i])
		case bytes.HasPrefix(encoded[i:], []byte(`\u2028`)), bytes.HasPrefix(encoded[i:], []byte(`\u2029`)):
			out = append(out, "\u2028"[0], "\u2028"[1], "\u2028"[2]+encoded[i+5]-'8')
			i += 5
		default:
			out = append(out, encoded[i], encoded[i+1])
			i++
		}
	}
	return out
}
