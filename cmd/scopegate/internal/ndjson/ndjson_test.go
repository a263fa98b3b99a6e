package ndjson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"pgregory.net/rapid"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/ndjson"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/verify"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

func TestDecodeGolden(t *testing.T) {
	t.Parallel()
	line, err := os.ReadFile("testdata/scope.json")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/scope.textproto")
	if err != nil {
		t.Fatal(err)
	}
	want := &symdbv1.Scope{}
	if err := prototext.Unmarshal(text, want); err != nil {
		t.Fatal(err)
	}
	got, err := decodeOne(line)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", prototext.Format(got), prototext.Format(want))
	}
}

// decodeOne decodes a line of one scope.
func decodeOne(line []byte) (*symdbv1.Scope, error) {
	scopes, err := ndjson.Decode(line)
	if err != nil {
		return nil, err
	}
	if len(scopes) != 1 {
		return nil, fmt.Errorf("%d scopes, want 1", len(scopes))
	}
	return scopes[0], nil
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	const scope = `"scope_type":"FILE","start_line":0,"end_line":0`
	specifics := func(members string) string { return `{` + scope + `,"language_specifics":{` + members + `}}` }
	for line, want := range map[string]string{
		``:                   "unexpected end of JSON",
		`{`:                  "unexpected end of JSON",
		`[]`:                 "an array, not an object",
		`{` + scope + `} {}`: "text after the scope",
		`{` + scope + `,"name":"` + "\xff" + `"}`:                        "not valid UTF-8",
		`{` + scope + `,"start_line":1}`:                                 "start_line: duplicate key",
		`{"start_line":0,"end_line":0}`:                                  "missing key scope_type",
		`{"start_line":1}`:                                               "missing key scope_type",
		`{"scope_type":""}`:                                              "scope_type: must not be empty",
		`{"scope_type":null}`:                                            "scope_type: null, not a string",
		`{"start_line":1.0}`:                                             "start_line: 1.0 is not a 32-bit integer",
		`{"start_line":2147483648}`:                                      "start_line: 2147483648 is not a 32-bit integer",
		`{"start_line":"1"}`:                                             "start_line: a string, not an integer",
		`{"has_injectible_lines":1}`:                                     "has_injectible_lines: a number, not a boolean",
		`{"injectible_lines":{}}`:                                        "injectible_lines: an object, not an array",
		`{"injectible_lines":[{"colour":1}]}`:                            "injectible_lines[0].colour: unknown key",
		`{"injectible_lines":[{"a b":1}]}`:                               `injectible_lines[0]."a b": unknown key`,
		`{` + scope + `,"colour":1,"colour":2}`:                          "colour: duplicate key",
		`{` + scope + `,"colour":9007199254740993}`:                      "colour: a double can't hold the integer 9007199254740993 exactly",
		`{"symbols":[{"name":null}]}`:                                    "symbols[0].name: null, not a string",
		`{"service":"shop","language":"ruby"}`:                           "missing key scope_type",
		`{"service":"shop","scopes":[{}]}`:                               "scopes[0]: missing key scope_type",
		`{"service":"shop","scopes":[],"scope_type":""}`:                 "scope_type: must not be empty",
		`{"symbols":[{"name":"x","type":null}]}`:                         "symbols[0]: missing key symbol_type",
		`{"symbols":[{"symbol_type":"arg"}]}`:                            "symbols[0]: missing key name",
		`{"symbols":[{"type":7}]}`:                                       "symbols[0].type: a number, not a string",
		`{"scopes":[{` + scope + `},{"symbols":[null]}]}`:                "scopes[1].symbols[0]: null, not an object",
		`{` + scope + `,"additional":{"z":2}}`:                           "additional: not a key here; write its entries beside the other keys",
		specifics(`"additional":null`):                                   "language_specifics.additional: not a key here",
		`{"symbols":[{"name":"x","symbol_type":"arg","additional":{}}]}`: "symbols[0].additional: not a key here",
		specifics(`"interfaces":["a",1]`):                                "language_specifics.interfaces[1]: a number, not a string",
		specifics(`"x":1,"x":2`):                                         "language_specifics.x: duplicate key",
		specifics(`"x":{"y":1,"y":2}`):                                   "language_specifics.x.y: duplicate key",
		specifics(`"x":[1e999]`):                                         "language_specifics.x[0]: 1e999 is out of range",
		specifics(`"x":9007199254740993`):                                "language_specifics.x: a double can't hold the integer 9007199254740993 exactly",
		specifics(`"x":` + strings.Repeat("[", 2000)):                    "nested deeper than 1000",
		strings.Repeat(`{"scopes":[`, 600):                               "scopes: nested deeper than 1000",

		`{"name":"\ud800"}`:                                    `name: the escape \ud800 is an unpaired surrogate`,
		`{"name":"a\uDC00b"}`:                                  `name: the escape \uDC00 is an unpaired surrogate`,
		`{"name":"\ud83d\ud83d\ude00"}`:                        `name: the escape \ud83d is an unpaired surrogate`,
		`{"name":"\ude00\ud83d"}`:                              `name: the escape \ude00 is an unpaired surrogate`,
		`{"name":"\\\ud83d\\ude00"}`:                           `name: the escape \ud83d is an unpaired surrogate`,
		`{"name":"\ud83d","name":1}`:                           `name: the escape \ud83d is an unpaired surrogate`,
		`{"\ud800":1}`:                                         `the escape \ud800 is an unpaired surrogate`,
		`{"scopes":[{},{"x\udfff":1}]}`:                        `scopes[0]: missing key scope_type`,
		specifics(`"\ud800":1,"\ud801":2`):                     `language_specifics: the escape \ud800 is an unpaired surrogate`,
		specifics(`"x":{"a":["\ud800"]}`):                      `language_specifics.x.a[0]: the escape \ud800 is an unpaired surrogate`,
		specifics(`"annotations":["\ufffd","\ud800"]`):         `language_specifics.annotations[1]: the escape \ud800 is an unpaired surrogate`,
		specifics(`"a":1,"\u0061":2`):                          `language_specifics.a: duplicate key`,
		specifics(`"\ud83d\ude00":1,"` + "\U0001f600" + `":2`): "duplicate key",
		`{"name":"\x"}`:                                        `name: invalid character 'x' in string escape code`,
		`{"name":"\u12g4"}`:                                    `name: invalid character 'g' in \u hexadecimal character escape`,
		`{"name":"\u12`:                                        `name: unexpected end of JSON`,
		"{\"name\":\"a\x01\"}":                                 `name: invalid character '\x01' in string literal`,
		"{\"name\":\"\xed\xa0\x80\"}":                          "not valid UTF-8",   // a surrogate by itself
		"\ufeff{}":                                             "invalid character", // lines have none
	} {
		got, err := ndjson.Decode([]byte(line))
		if e, ok := errors.AsType[*ndjson.Error](err); !ok || !strings.Contains(e.Error(), want) {
			t.Errorf("%.80s: got %v, %v; want %q", line, got, err, want)
		}
	}
}

// Keys that the API does not require may be missing or null.
func TestDecodeIsAsLenientAsTheAPI(t *testing.T) {
	t.Parallel()
	object := func(members map[string]*structpb.Value) *structpb.Value {
		return structpb.NewStructValue(&structpb.Struct{Fields: members})
	}
	for line, want := range map[string]*symdbv1.Scope{
		`{"scope_type":"FILE"}`:                {ScopeType: "FILE"},
		`{"scope_type":"FILE","end_line":7}`:   {ScopeType: "FILE", EndLine: 7},
		`{"scope_type":"FILE","start_line":7}`: {ScopeType: "FILE", StartLine: 7},
		`{"scope_type":"FILE","symbols":[{"name":"","symbol_type":"arg"},{"name":"x","symbol_type":"arg","type":null}]}`: {
			ScopeType: "FILE",
			Symbols:   []*symdbv1.Symbol{{Name: new(""), SymbolType: "arg"}, {Name: new("x"), SymbolType: "arg"}},
		},
		`{"scope_type":"FILE","injectible_lines":[{},{"end":3,"start":null}]}`: {
			ScopeType: "FILE", InjectibleLines: []*symdbv1.LineRange{{}, {End: 3}},
		},
		`{"name":null,"scope_type":"FILE","source_file":null,"start_line":null,"end_line":null,"has_injectible_lines":null,` +
			`"injectible_lines":null,"language_specifics":null,"symbols":null,"scopes":null}`: {ScopeType: "FILE"},
		`{"scope_type":"FILE","injectible_lines":[],"language_specifics":{},"symbols":[],"scopes":[]}`: {
			ScopeType: "FILE", LanguageSpecifics: &symdbv1.LanguageSpecifics{},
		},
		`{"scope_type":"FILE","language_specifics":{"arity":null,"interfaces":null,"annotations":[],"new":null}}`: {
			ScopeType: "FILE", LanguageSpecifics: &symdbv1.LanguageSpecifics{
				Additional: map[string]*structpb.Value{"new": structpb.NewNullValue()},
			},
		},
		`{"scope_type":"FILE","symbols":[{"name":"x","symbol_type":"arg","line":null,"language_specifics":null,"new":1}],` +
			`"colour":{"a b":[]}}`: {
			ScopeType: "FILE",
			Symbols: []*symdbv1.Symbol{{
				Name: new("x"), SymbolType: "arg", Additional: map[string]*structpb.Value{"new": structpb.NewNumberValue(1)},
			}},
			Additional: map[string]*structpb.Value{
				"colour": object(map[string]*structpb.Value{"a b": structpb.NewListValue(&structpb.ListValue{})}),
			},
		},
	} {
		if got, err := decodeOne([]byte(line)); err != nil || !proto.Equal(got, want) {
			t.Errorf("%s: got %v, %v; want %v", line, got, err, want)
		}
	}
}

// An envelope yields its scopes, whatever the order of its keys.
func TestDecodeEnvelope(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{
		`{"service":"shop","env":"","version":null,"language":"go","scopes":[` +
			`{"scope_type":"package","name":"a"},{"scope_type":"package","name":"b"}],"upload_id":"x","batch_num":1,"final":true}`: {"a", "b"},
		`{"scopes":[{"scope_type":"package","name":"a"}],"schema_version":1,"additional":{},"service":"shop"}`: {"a"},
		`{"service":"shop","scopes":[]}`:   nil,
		`{"service":"shop","scopes":null}`: nil,
		`{"service":"of a scope","scopes":[{"scope_type":"x"}],"scope_type":"FILE","name":"c"}`: {"c"},
	} {
		scopes, err := ndjson.Decode([]byte(line))
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		var got []string
		for _, scope := range scopes {
			got = append(got, scope.GetName())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: scopes %q, want %q", line, got, want)
		}
	}
}

// Surrogate pairs are characters, and so is U+FFFD.
func TestDecodeEscapes(t *testing.T) {
	t.Parallel()
	for literal, want := range map[string]string{
		`\ud83d\ude00`:             "\U0001f600",
		`\uD83D\uDE00\ud83d\ude01`: "\U0001f600\U0001f601",
		`\ufffd`:                   "\ufffd",
		"\ufffd":                   "\ufffd",
		`\ufffd\\ud800`:            "\ufffd\\ud800",
		`\\\ufffd`:                 "\\\ufffd",
		`\u0000\u00e9\"\/`:         "\x00é\"/",
	} {
		scope, err := decodeOne([]byte(`{"scope_type":"FILE","name":"` + literal + `"}`))
		if err != nil || scope.GetName() != want {
			t.Errorf("%s: %q, %v, want %q", literal, scope.GetName(), err, want)
		}
	}
}

const line = `{"scope_type":"FILE","name":"a","start_line":0,"end_line":9}`

func TestScopesReadsLines(t *testing.T) {
	t.Parallel()
	const mark = "\ufeff"
	envelope := `{"service":"","scopes":[` + strings.TrimSpace(line) + `]}`
	input := mark + "\r\n" + mark + line + "\r\n \t\n" + envelope + "\n" + mark + "\n" + mark + " " + line
	count := 0
	for scope, err := range ndjson.Scopes(iotest.OneByteReader(strings.NewReader(input)), len(mark+envelope)) {
		if err != nil {
			t.Fatal(err)
		}
		if scope.GetName() != "a" || scope.GetEndLine() != 9 {
			t.Errorf("got %v, want Name %q and EndLine 9", scope, "a")
		}
		count++
	}
	if count != 3 {
		t.Errorf("got %d scopes, want 3", count)
	}
}

func TestScopesNamesTheLine(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		line + "\n\n{}\n" + line:          "line 3: missing key scope_type",
		line + "\n" + line + " \n" + line: "line 2: longer than 60 bytes: see --max-line-bytes",
		line + "\n" + line + line:         "line 2: longer than 60 bytes: see --max-line-bytes",
		"\xff\xfe{\x00}\x00\n\x00":        "line 1: the text is UTF-16, not UTF-8; save it as UTF-8",
		"\x00{\x00}":                      "line 1: the text is UTF-16, not UTF-8; save it as UTF-8",
		line + "\n\xfe\xff\x00{\x00}":     "line 2: the text is UTF-16, not UTF-8; save it as UTF-8",
	} {
		var last error
		for _, err := range ndjson.Scopes(strings.NewReader(input), len(line)) {
			last = err
		}
		if e, ok := errors.AsType[*ndjson.Error](last); !ok || e.Error() != want {
			t.Errorf("%q: got %v, want %q", input, last, want)
		}
	}
}

func TestScopesReturnsReadErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	source := io.MultiReader(strings.NewReader(line+"\n"+line), iotest.ErrReader(broken))
	var last error
	count := 0
	for _, err := range ndjson.Scopes(source, 64<<20) {
		last = err
		count++
	}
	if count != 2 || !errors.Is(last, broken) {
		t.Errorf("got %d elements, the last is %v, want count 2 and %v", count, last, broken)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := scopes(2).Draw(t, "scope")
		line, err := json.Marshal(verify.Object(want))
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeOne(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if !proto.Equal(got, want) {
			t.Fatalf("%s:\ngot  %v\nwant %v", line, got, want)
		}
	})
}

func scopes(depth int) *rapid.Generator[*symdbv1.Scope] {
	return rapid.Custom(func(t *rapid.T) *symdbv1.Scope {
		s := &symdbv1.Scope{
			ScopeType:          rapid.StringN(1, 8, -1).Draw(t, "scope_type"),
			Name:               rapid.Ptr(rapid.String(), true).Draw(t, "name"),
			SourceFile:         rapid.Ptr(rapid.String(), true).Draw(t, "source_file"),
			StartLine:          rapid.Int32().Draw(t, "start_line"),
			EndLine:            rapid.Int32().Draw(t, "end_line"),
			HasInjectibleLines: rapid.Ptr(rapid.Bool(), true).Draw(t, "has_injectible_lines"),
			InjectibleLines:    rapid.SliceOfN(ranges(), 0, 2).Draw(t, "injectible_lines"),
			LanguageSpecifics:  specifics(t),
			Symbols:            rapid.SliceOfN(symbols(), 0, 2).Draw(t, "symbols"),
		}
		s.Additional = additional(t)
		if depth > 0 {
			s.Scopes = rapid.SliceOfN(scopes(depth-1), 0, 2).Draw(t, "scopes")
		}
		return s
	})
}

func symbols() *rapid.Generator[*symdbv1.Symbol] {
	return rapid.Custom(func(t *rapid.T) *symdbv1.Symbol {
		return &symdbv1.Symbol{
			Name:              new(rapid.String().Draw(t, "name")),
			Type:              rapid.Ptr(rapid.String(), true).Draw(t, "type"),
			SymbolType:        rapid.StringN(1, 8, -1).Draw(t, "symbol_type"),
			Line:              rapid.Ptr(rapid.Int32(), true).Draw(t, "line"),
			LanguageSpecifics: specifics(t),
			Additional:        additional(t),
		}
	})
}

func ranges() *rapid.Generator[*symdbv1.LineRange] {
	return rapid.Custom(func(t *rapid.T) *symdbv1.LineRange {
		return &symdbv1.LineRange{Start: rapid.Int32().Draw(t, "start"), End: rapid.Int32().Draw(t, "end")}
	})
}

func specifics(t *rapid.T) *symdbv1.LanguageSpecifics {
	if rapid.Bool().Draw(t, "no specifics") {
		return nil
	}
	texts := rapid.SliceOfN(rapid.String(), 0, 2)
	l := &symdbv1.LanguageSpecifics{
		GoQualifiedName:     rapid.Ptr(rapid.String(), true).Draw(t, "go_qualified_name"),
		AvailableLineRanges: rapid.SliceOfN(ranges(), 0, 2).Draw(t, "available_line_ranges"),
		Annotations:         texts.Draw(t, "annotations"),
		PdbExist:            rapid.Ptr(rapid.Bool(), true).Draw(t, "pdb_exist"),
		Arity:               rapid.Ptr(rapid.Int32(), true).Draw(t, "arity"),
		PrependedModules:    texts.Draw(t, "prepended_modules"),
	}
	l.Additional = additional(t)
	return l
}

func additional(t *rapid.T) map[string]*structpb.Value {
	open := rapid.StringMatching(`new_[a-z]{0,3}`)
	if fields := rapid.MapOfN(open, values(2), 0, 3).Draw(t, "additional"); len(fields) > 0 {
		return fields
	}
	return nil
}

func values(depth int) *rapid.Generator[*structpb.Value] {
	return rapid.Custom(func(t *rapid.T) *structpb.Value {
		kinds := 3
		if depth > 0 {
			kinds = 5
		}
		switch rapid.IntRange(0, kinds).Draw(t, "kind") {
		case 0:
			return structpb.NewNullValue()
		case 1:
			return structpb.NewBoolValue(rapid.Bool().Draw(t, "bool"))
		case 2:
			return structpb.NewNumberValue(rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64).Draw(t, "number"))
		case 3:
			return structpb.NewStringValue(rapid.String().Draw(t, "string"))
		case 4:
			elements := rapid.SliceOfN(values(depth-1), 0, 2).Draw(t, "list")
			return structpb.NewListValue(&structpb.ListValue{Values: elements})
		default:
			fields := rapid.MapOfN(rapid.String(), values(depth-1), 0, 2).Draw(t, "struct")
			return structpb.NewStructValue(&structpb.Struct{Fields: fields})
		}
	})
}

// FuzzDecode: accepted lines are valid JSON, and mean the same when they are written and
// read again.
func FuzzDecode(f *testing.F) {
	golden, err := os.ReadFile("testdata/scope.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	for _, seed := range []string{
		line, line + line, `{"scopes":[{}]}`, `{"scope_type":"a","start_line":-0,"end_line":2147483647}`,
		`{"scope_type":"\ud800","start_line":0,"end_line":0,"language_specifics":{"x":[1.5e3,{"":null}]}}`,
		"{\"scope_type\":\"\xff\"}", `{"scope_type":"a",}`, `[`, ``, `{"scopes":[{"scope_type":"a","x":null}],"service":null}`,
		`{"scope_type":"a","name":null,"symbols":[{"name":"","symbol_type":"b","type":null,"x":{}}],"scopes":[],"x":[null]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		scopes, err := ndjson.Decode(input)
		if err != nil {
			if _, ok := errors.AsType[*ndjson.Error](err); !ok || err.Error() == "" || scopes != nil {
				t.Fatalf("got %v, %#v, want an error of its type with a text, and no scopes", scopes, err)
			}
			return
		}
		if !json.Valid(input) {
			t.Fatal("accepts what is not JSON")
		}
		for _, scope := range scopes {
			written, err := json.Marshal(verify.Object(scope))
			if err != nil {
				t.Fatal(err)
			}
			again, err := decodeOne(written)
			if err != nil || !proto.Equal(again, scope) {
				t.Fatalf("written as %s, read as %v, %v; want %v", written, again, err, scope)
			}
		}
	})
}

func ExampleScopes() {
	input := strings.NewReader(`{"scope_type":"FILE","name":"shop.rb","start_line":0,"end_line":2147483647}
{"name":"cart.rb","start_line":0}
`)
	for scope, err := range ndjson.Scopes(input, 64<<20) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(scope.GetScopeType(), scope.GetName())
	}
	// Output:
	// FILE shop.rb
	// line 2: missing key scope_type
}
