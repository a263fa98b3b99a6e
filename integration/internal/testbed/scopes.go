package testbed

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// NewMetadata returns the metadata of a new upload.
func NewMetadata() *symdbv1.UploadMetadata {
	return &symdbv1.UploadMetadata{
		Service:   `check"out`,
		Env:       new("prod"),
		Version:   new("1.2.3"),
		Language:  "go",
		UploadId:  uuid.NewString(),
		RuntimeId: "runtime-1",
	}
}

// Sequence returns the scopes as a sequence.
func Sequence(scopes []*symdbv1.Scope) iter.Seq2[*symdbv1.Scope, error] {
	return func(yield func(*symdbv1.Scope, error) bool) {
		for _, scope := range scopes {
			if !yield(scope, nil) {
				return
			}
		}
	}
}

// Source makes scopes with unique names: the same ones for the same seed and calls. It is
// not safe for concurrent use.
type Source struct {
	random *rand.Rand
	made   int
}

// NewSource returns a source.
func NewSource(seed uint64) *Source {
	return &Source{random: rand.New(rand.NewPCG(seed, 0))} // #nosec G404 -- it must be predictable
}

var (
	words = []string{
		"read", "write", "open", "close", "batch", "scope", "symbol", "stream", "buffer", "index",
		"parse", "token", "frame", "header", "window", "upload", "server", "client", "error", "context",
	}
	types = []string{
		"int", "string", "[]byte", "error", "context.Context", "map[string]int", "*bytes.Buffer",
		"func(int) (string, error)", "chan<- struct {}", "[4]uint64",
	}
	// awkward are strings that JSON escapes, or that a sloppy escaper breaks.
	awkward = []string{
		"", "tab\tnewline\n", `"quoted" \back\`, "nul\x00esc\x1bdel\x7f", "line\u2028paragraph\u2029",
		"<html>&amp;", "größe", "名前", "👩‍💻", "\ufffd", "/slash/",
	}
)

func pick[T any](s *Source, from []T) T { return from[s.random.IntN(len(from))] }

func (s *Source) chance() bool { return s.random.IntN(2) == 0 }

func (s *Source) name() string {
	s.made++
	return fmt.Sprintf("%s_%s%d", pick(s, words), pick(s, words), s.made)
}

// Function returns a scope like a function, of about 1 kB of JSON. Over many of them every
// field is sometimes absent, zero and set.
func (s *Source) Function() *symdbv1.Scope {
	name := s.name()
	start := s.random.Int32N(5000)
	scope := &symdbv1.Scope{
		ScopeType:          pick(s, []string{"function", "METHOD", "method", "CLOSURE"}),
		Name:               new(name),
		StartLine:          start,
		EndLine:            start + s.random.Int32N(200),
		HasInjectibleLines: new(s.chance()),
		LanguageSpecifics:  s.specifics(name),
	}
	if s.chance() {
		scope.SourceFile = new("/src/" + name + ".go")
	}
	for range s.random.IntN(6) {
		scope.InjectibleLines = append(scope.InjectibleLines, s.lines(start))
	}
	for range 6 + s.random.IntN(6) {
		scope.Symbols = append(scope.Symbols, s.symbol(start))
	}
	if s.random.IntN(4) == 0 {
		scope.Additional = s.additional("scope_type", "symbols", "scopes")
	}
	if s.chance() {
		scope.Scopes = append(scope.Scopes, &symdbv1.Scope{
			ScopeType: "local", StartLine: start, EndLine: 2147483647, Symbols: []*symdbv1.Symbol{s.symbol(start)},
		})
	}
	return scope
}

// Functions returns that many functions.
func (s *Source) Functions(count int) []*symdbv1.Scope {
	scopes := make([]*symdbv1.Scope, count)
	for i := range scopes {
		scopes[i] = s.Function()
	}
	return scopes
}

// Package returns a scope like a package with that many functions.
func (s *Source) Package(functions int) *symdbv1.Scope {
	return &symdbv1.Scope{
		ScopeType:         "package",
		Name:              new("example.com/" + s.name()),
		LanguageSpecifics: &symdbv1.LanguageSpecifics{AgentVersion: new("v1.0.0")},
		Scopes:            s.Functions(functions),
	}
}

// Noise returns a scope of about that many bytes, which gzip can't make smaller than three
// quarters.
func (s *Source) Noise(bytes int) *symdbv1.Scope {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], s.random.Uint64())
	noise := make([]byte, base64.RawURLEncoding.DecodedLen(bytes))
	_, _ = rand.NewChaCha8(seed).Read(noise) // it never fails, and is fast with the race detector too
	return &symdbv1.Scope{ScopeType: "FILE", Name: new(s.name()), SourceFile: new(base64.RawURLEncoding.EncodeToString(noise))}
}

// Nested returns a scope with scopes inside scopes, depth in all.
func (s *Source) Nested(depth int) *symdbv1.Scope {
	var scope *symdbv1.Scope
	for range depth {
		outer := &symdbv1.Scope{ScopeType: "CLOSURE", Name: new(s.name())}
		if scope != nil {
			outer.Scopes = []*symdbv1.Scope{scope}
		}
		scope = outer
	}
	return scope
}

func (s *Source) lines(start int32) *symdbv1.LineRange {
	first := start + s.random.Int32N(100)
	return &symdbv1.LineRange{Start: first, End: first + s.random.Int32N(4)}
}

func (s *Source) symbol(start int32) *symdbv1.Symbol {
	symbol := &symdbv1.Symbol{
		Name:       new(s.name()),
		SymbolType: pick(s, []string{"arg", "local", "field", "static_field", "ARG", "LOCAL"}),
	}
	if s.chance() {
		symbol.Type = new(pick(s, types))
	}
	if s.chance() {
		symbol.Line = new(pick(s, []int32{0, start, start + 1, 2147483647}))
	}
	if s.random.IntN(4) == 0 {
		symbol.LanguageSpecifics = &symdbv1.LanguageSpecifics{
			AvailableLineRanges: []*symdbv1.LineRange{s.lines(start), s.lines(start)},
		}
	}
	if s.random.IntN(8) == 0 {
		symbol.Additional = s.additional("name", "type")
	}
	return symbol
}

// additional returns an open map that also has the keys of fields.
func (s *Source) additional(fields ...string) map[string]*structpb.Value {
	return map[string]*structpb.Value{
		pick(s, fields): structpb.NewStringValue("is left out"),
		pick(s, awkward): structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{
			structpb.NewNumberValue(s.random.NormFloat64()), structpb.NewStringValue(pick(s, awkward)),
		}}),
	}
}

func (s *Source) specifics(name string) *symdbv1.LanguageSpecifics {
	switch s.random.IntN(6) {
	case 0:
		return nil
	case 1:
		return &symdbv1.LanguageSpecifics{}
	case 2:
		return &symdbv1.LanguageSpecifics{
			AccessModifiers: []string{"public", "static"}, Annotations: []string{"@Override", pick(s, awkward)},
			Interfaces: []string{"java.lang.Runnable"}, SuperClass: new("java.lang.Object"),
			ReturnType: new("void"), StartColumn: proto.Int32(0), EndColumn: proto.Int32(80), PdbExist: new(false),
		}
	case 3:
		return &symdbv1.LanguageSpecifics{
			SuperClasses: []string{"object"}, FileHash: new("da39a3ee5e6b4b0d3255bfef95601890afd80709"),
			FunctionType: new("coroutine"), MethodType: new("classmethod"), Visibility: new(""),
			Arity: proto.Int32(-2), IncludedModules: []string{"Comparable", ""}, PrependedModules: []string{"Patch"},
		}
	case 4:
		return &symdbv1.LanguageSpecifics{
			GoQualifiedName: new("wins over the map"),
			Additional: map[string]*structpb.Value{
				"go_qualified_name": structpb.NewStringValue("loses"),
				"awkward":           structpb.NewStringValue(pick(s, awkward)),
				pick(s, awkward):    structpb.NewNullValue(),
				"number":            structpb.NewNumberValue(s.random.NormFloat64() * 1e9),
				"whole":             structpb.NewNumberValue(float64(s.random.Int64N(1 << 53))),
				"flag":              structpb.NewBoolValue(s.chance()),
				"list": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{
					structpb.NewNumberValue(0), structpb.NewStringValue(name), structpb.NewListValue(&structpb.ListValue{}),
				}}),
				"object": structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
					"": structpb.NewStructValue(&structpb.Struct{}), "b": structpb.NewNumberValue(1e-7),
				}}),
			},
		}
	default:
		return &symdbv1.LanguageSpecifics{GoQualifiedName: new("example.com/" + name)}
	}
}
