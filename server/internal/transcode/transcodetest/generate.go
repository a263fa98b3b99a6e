package transcodetest

import (
	"math"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
	"pgregory.net/rapid"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1" //nolint:depguard // scopes to encode as a client would
)

// Scopes generates valid scopes: all fields, set and not, strings and numbers
// from the odd corners, trees deep and wide. Most are small, some are up to a
// hundred kilobytes.
func Scopes() *rapid.Generator[*symdbv1.Scope] { return scopes(3) }

func scopes(depth int) *rapid.Generator[*symdbv1.Scope] {
	return rapid.Custom(func(t *rapid.T) *symdbv1.Scope {
		s := &symdbv1.Scope{
			ScopeType:          rapid.OneOf(rapid.SampledFrom(scopeTypes), notEmpty()).Draw(t, "scope_type"),
			Name:               maybe(t, "name", texts()),
			SourceFile:         maybe(t, "source_file", texts()),
			StartLine:          lines().Draw(t, "start_line"),
			EndLine:            lines().Draw(t, "end_line"),
			HasInjectibleLines: maybe(t, "has_injectible_lines", rapid.Bool()),
			InjectibleLines:    rapid.SliceOfN(ranges(), 0, 3).Draw(t, "injectible_lines"),
			LanguageSpecifics:  maybeSpecifics(t),
			Symbols:            rapid.SliceOfN(symbols(), 0, 4).Draw(t, "symbols"),
			Additional:         maybeOpen(t),
		}
		if depth > 0 {
			s.Scopes = rapid.SliceOfN(scopes(depth-1), 0, 2).Draw(t, "scopes")
		}
		if rapid.IntRange(0, 19).Draw(t, "crowd") == 0 {
			for range rapid.IntRange(50, 200).Draw(t, "children") {
				s.Scopes = append(s.Scopes, &symdbv1.Scope{ScopeType: "local", StartLine: 3, EndLine: 4})
			}
		}
		return s
	})
}

var scopeTypes = []string{"package", "JAR", "MODULE", "assembly", "FILE", "struct", "METHOD", "local"}

func symbols() *rapid.Generator[*symdbv1.Symbol] {
	return rapid.Custom(func(t *rapid.T) *symdbv1.Symbol {
		return &symdbv1.Symbol{
			Name:              new(texts().Draw(t, "name")),
			Type:              maybe(t, "type", texts()),
			SymbolType:        notEmpty().Draw(t, "symbol_type"),
			Line:              maybe(t, "line", lines()),
			LanguageSpecifics: maybeSpecifics(t),
			Additional:        maybeOpen(t),
		}
	})
}

func ranges() *rapid.Generator[*symdbv1.LineRange] {
	return rapid.Custom(func(t *rapid.T) *symdbv1.LineRange {
		return &symdbv1.LineRange{Start: lines().Draw(t, "start"), End: lines().Draw(t, "end")}
	})
}

func maybeSpecifics(t *rapid.T) *symdbv1.LanguageSpecifics {
	if rapid.IntRange(0, 2).Draw(t, "with specifics") != 0 {
		return nil
	}
	list := func(name string) []string { return rapid.SliceOfN(texts(), 0, 2).Draw(t, name) }
	l := &symdbv1.LanguageSpecifics{
		AgentVersion:        maybe(t, "agent_version", texts()),
		GoQualifiedName:     maybe(t, "go_qualified_name", texts()),
		AvailableLineRanges: rapid.SliceOfN(ranges(), 0, 2).Draw(t, "available_line_ranges"),
		AccessModifiers:     list("access_modifiers"),
		Annotations:         list("annotations"),
		Interfaces:          list("interfaces"),
		SuperClass:          maybe(t, "super_class", texts()),
		SuperClasses:        list("super_classes"),
		ReturnType:          maybe(t, "return_type", texts()),
		StartColumn:         maybe(t, "start_column", lines()),
		EndColumn:           maybe(t, "end_column", lines()),
		PdbExist:            maybe(t, "pdb_exist", rapid.Bool()),
		FileHash:            maybe(t, "file_hash", texts()),
		FunctionType:        maybe(t, "function_type", texts()),
		MethodType:          maybe(t, "method_type", texts()),
		Visibility:          maybe(t, "visibility", texts()),
		Arity:               maybe(t, "arity", lines()),
		IncludedModules:     list("included_modules"),
		PrependedModules:    list("prepended_modules"),
	}
	l.Additional = maybeOpen(t)
	return l
}

// maybeOpen generates an open map, with keys that fields have too.
func maybeOpen(t *rapid.T) map[string]*structpb.Value {
	if rapid.IntRange(0, 3).Draw(t, "with additional") != 0 {
		return nil
	}
	key := rapid.OneOf(rapid.SampledFrom([]string{
		"arity", "annotations", "super_class", "additional", "name", "type", "line", "start_line", "symbols",
	}), texts())
	return rapid.MapOfN(key, values(3), 0, 6).Draw(t, "additional")
}

// values generates JSON values as protobuf carries them.
func values(depth int) *rapid.Generator[*structpb.Value] {
	return rapid.Custom(func(t *rapid.T) *structpb.Value {
		kinds := 6
		if depth == 0 {
			kinds = 4
		}
		switch rapid.IntRange(1, kinds).Draw(t, "kind") {
		case 1:
			return structpb.NewNullValue()
		case 2:
			return structpb.NewBoolValue(rapid.Bool().Draw(t, "bool"))
		case 3:
			return structpb.NewNumberValue(numbers().Draw(t, "number"))
		case 4:
			return structpb.NewStringValue(texts().Draw(t, "string"))
		case 5:
			items := rapid.SliceOfN(values(depth-1), 0, 3).Draw(t, "list")
			return structpb.NewListValue(&structpb.ListValue{Values: items})
		default:
			fields := rapid.MapOfN(texts(), values(depth-1), 0, 4).Draw(t, "struct")
			return structpb.NewStructValue(&structpb.Struct{Fields: fields})
		}
	})
}

func numbers() *rapid.Generator[float64] {
	return rapid.OneOf(
		rapid.SampledFrom([]float64{
			0, math.Copysign(0, -1), 1, -1, 1e-6, 9.9e-7, 1e20, 1e21, -1e21, 1e-9, 1e-10, 1.5e300,
			math.MaxFloat64, math.SmallestNonzeroFloat64, 1 << 53, 0.1, math.MaxInt32,
		}),
		rapid.Float64().Filter(func(f float64) bool { return !math.IsInf(f, 0) && !math.IsNaN(f) }),
		rapid.Map(rapid.Int32(), func(i int32) float64 { return float64(i) }),
	)
}

func lines() *rapid.Generator[int32] {
	return rapid.OneOf(
		rapid.SampledFrom([]int32{0, 1, -1, 127, 128, 16383, 16384, math.MaxInt32, math.MinInt32}),
		rapid.Int32(),
	)
}

// texts generates strings: any characters, those that are escaped, and lengths
// around the borders at which the writer looks for room.
func texts() *rapid.Generator[string] {
	plain := rapid.SampledFrom([]string{"", "x", "name", "github.com/example/module.(*Type).Method"})
	return rapid.OneOf(
		plain, plain, plain,
		rapid.StringN(0, 12, -1),
		rapid.StringOfN(rapid.RuneFrom([]rune("ab\"\\/\x00\x01\b\f\n\r\t\x1f\x7f<&>\u0080é\u2028\u2029�😀")), 0, 20, -1),
		rapid.Custom(func(t *rapid.T) string {
			unit := rapid.SampledFrom([]string{"a", "\x00", `"`, "é", "€", "😀", "ab\n"}).Draw(t, "unit")
			length := rapid.SampledFrom([]int{7, 8, 9, 127, 128, 129, 255, 256, 257, 1023, 1024, 1025, 4096}).Draw(t, "length")
			front := rapid.StringOfN(rapid.RuneFrom([]rune("x\t")), 0, 3, -1).Draw(t, "front")
			return front + strings.Repeat(unit, max(0, length-len(front))/len(unit))
		}),
	)
}

func notEmpty() *rapid.Generator[string] {
	return texts().Filter(func(s string) bool { return s != "" })
}

func maybe[T any](t *rapid.T, name string, g *rapid.Generator[T]) *T {
	if !rapid.Bool().Draw(t, "with "+name) {
		return nil
	}
	v := g.Draw(t, name)
	return &v
}
