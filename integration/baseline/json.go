package baseline

import (
	"google.golang.org/protobuf/types/known/structpb"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Scope is a scope for encoding/json.
type Scope struct {
	ScopeType          string      `json:"scope_type"`
	Name               *string     `json:"name,omitempty"`
	SourceFile         *string     `json:"source_file,omitempty"`
	StartLine          int32       `json:"start_line"`
	EndLine            int32       `json:"end_line"`
	HasInjectibleLines *bool       `json:"has_injectible_lines,omitempty"`
	InjectibleLines    []LineRange `json:"injectible_lines,omitempty"`
	LanguageSpecifics  *Specifics  `json:"language_specifics,omitempty"`
	Symbols            []Symbol    `json:"symbols,omitempty"`
	Scopes             []Scope     `json:"scopes,omitempty"`
}

// Symbol is a symbol for encoding/json.
type Symbol struct {
	Name              string     `json:"name"`
	Type              *string    `json:"type"`
	SymbolType        string     `json:"symbol_type"`
	Line              *int32     `json:"line,omitempty"`
	LanguageSpecifics *Specifics `json:"language_specifics,omitempty"`
}

// LineRange is a range of lines for encoding/json.
type LineRange struct {
	Start int32 `json:"start"`
	End   int32 `json:"end"`
}

// Specifics are language specifics for encoding/json: those of Go, the language
// of the benchmarks' corpus, and the open map.
type Specifics struct {
	AgentVersion        *string                    `json:"agent_version,omitempty"`
	GoQualifiedName     *string                    `json:"go_qualified_name,omitempty"`
	AvailableLineRanges []LineRange                `json:"available_line_ranges,omitempty"`
	Additional          map[string]*structpb.Value `json:"additional,omitempty"`
}

// FromProto returns the scope of a decoded message.
func FromProto(p *symdbv1.Scope) Scope {
	s := Scope{
		ScopeType:          p.GetScopeType(),
		Name:               p.Name,
		SourceFile:         p.SourceFile,
		StartLine:          p.GetStartLine(),
		EndLine:            p.GetEndLine(),
		HasInjectibleLines: p.HasInjectibleLines,
		InjectibleLines:    lineRanges(p.GetInjectibleLines()),
		LanguageSpecifics:  specifics(p.GetLanguageSpecifics()),
	}
	if n := len(p.GetSymbols()); n > 0 {
		s.Symbols = make([]Symbol, n)
		for i, sym := range p.GetSymbols() {
			s.Symbols[i] = Symbol{
				Name: sym.GetName(), Type: sym.Type, SymbolType: sym.GetSymbolType(), Line: sym.Line,
				LanguageSpecifics: specifics(sym.GetLanguageSpecifics()),
			}
		}
	}
	if n := len(p.GetScopes()); n > 0 {
		s.Scopes = make([]Scope, n)
		for i, child := range p.GetScopes() {
			s.Scopes[i] = FromProto(child)
		}
	}
	return s
}

func lineRanges(p []*symdbv1.LineRange) []LineRange {
	if len(p) == 0 {
		return nil
	}
	ranges := make([]LineRange, len(p))
	for i, r := range p {
		ranges[i] = LineRange{Start: r.GetStart(), End: r.GetEnd()}
	}
	return ranges
}

func specifics(p *symdbv1.LanguageSpecifics) *Specifics {
	if p == nil {
		return nil
	}
	return &Specifics{
		AgentVersion:        p.AgentVersion,
		GoQualifiedName:     p.GoQualifiedName,
		AvailableLineRanges: lineRanges(p.GetAvailableLineRanges()),
		Additional:          p.GetAdditional(),
	}
}
