package compare_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/compare"
)

// upload returns an upload of scopes in JSON.
func upload(name string, scopes ...string) compare.Upload {
	return compare.Upload{Name: name, Scopes: func(yield func(map[string]any, error) bool) {
		for _, text := range scopes {
			decoder := json.NewDecoder(strings.NewReader(text))
			decoder.UseNumber()
			var scope map[string]any
			err := decoder.Decode(&scope)
			if !yield(scope, err) || err != nil {
				return
			}
		}
	}}
}

func compareTexts(t *testing.T, a, b []string, options compare.Options) compare.Report {
	t.Helper()
	report, err := compare.Uploads(upload("A", a...), upload("B", b...), options)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestEqual compares uploads that differ only in ways without meaning.
func TestEqual(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ a, b []string }{
		"order of root scopes": {
			[]string{`{"scope_type":"FILE","name":"a"}`, `{"scope_type":"FILE","name":"b"}`},
			[]string{`{"scope_type":"FILE","name":"b"}`, `{"scope_type":"FILE","name":"a"}`},
		},
		"order of scopes and keys": {
			[]string{`{"scope_type":"FILE","scopes":[{"scope_type":"CLASS","name":"a"},{"scope_type":"CLASS","name":"b"}]}`},
			[]string{`{"scopes":[{"name":"b","scope_type":"CLASS"},{"scope_type":"CLASS","name":"a"}],"scope_type":"FILE"}`},
		},
		"null": {
			[]string{`{"scope_type":"FILE","symbols":[{"name":"x","symbol_type":"ARG"}]}`},
			[]string{`{"scope_type":"FILE","name":null,"source_file":null,"start_line":null,"has_injectible_lines":null,"injectible_lines":null,` +
				`"language_specifics":{"interfaces":null,"arity":null},"scopes":null,"new":null,` +
				`"symbols":[{"name":"x","symbol_type":"ARG","type":null,"line":null,"language_specifics":null}]}`},
		},
		"empty": {
			[]string{`{"scope_type":"FILE","symbols":[{"name":"","symbol_type":"ARG"}]}`},
			[]string{`{"scope_type":"FILE","name":"","source_file":"","injectible_lines":[],"language_specifics":{"annotations":[],"new":{}},` +
				`"scopes":[],"symbols":[{"name":"","symbol_type":"ARG","type":"","language_specifics":{}}]}`},
		},
		"line 0": {
			[]string{`{"scope_type":"FILE","injectible_lines":[{}],"language_specifics":{"available_line_ranges":[{"end":2}]}}`},
			[]string{`{"scope_type":"FILE","start_line":0,"end_line":0,"injectible_lines":[{"start":0,"end":0}],` +
				`"language_specifics":{"available_line_ranges":[{"start":0,"end":2}]}}`},
		},
		"numbers": {
			[]string{`{"scope_type":"FILE","new":[1000,0,0.5,100000000000000000000,9007199254740993]}`},
			[]string{`{"scope_type":"FILE","new":[1e3,-0,5E-1,1e+20,9007199254740993]}`},
		},
		"escapes": {
			[]string{`{"scope_type":"FILE","name":"\u00e9\/\"<"}`},
			[]string{`{"scope_type":"FILE","name":"é/\u0022\u003c"}`},
		},
		"parts": {
			[]string{`{"scope_type":"JAR","name":"a","end_line":7,"symbols":[{"name":"s","symbol_type":"FIELD"}],` +
				`"scopes":[{"scope_type":"CLASS","name":"a"},{"scope_type":"CLASS","name":"b"}]}`},
			[]string{
				`{"scope_type":"JAR","name":"a","end_line":7,"scopes":[{"scope_type":"CLASS","name":"b"}]}`,
				`{"scope_type":"JAR","name":"a","end_line":7,"symbols":[{"name":"s","symbol_type":"FIELD"}],"scopes":[{"scope_type":"CLASS","name":"a"}]}`,
			},
		},
		"parts of a class": {
			[]string{`{"scope_type":"JAR","scopes":[{"scope_type":"CLASS","name":"a","symbols":[{"name":"s","symbol_type":"FIELD"}],` +
				`"scopes":[{"scope_type":"METHOD","name":"f"},{"scope_type":"METHOD","name":"g"}]}]}`},
			[]string{
				`{"scope_type":"JAR","scopes":[{"scope_type":"CLASS","name":"a","symbols":[{"name":"s","symbol_type":"FIELD"}]}]}`,
				`{"scope_type":"JAR","scopes":[{"scope_type":"CLASS","name":"a","scopes":[{"scope_type":"METHOD","name":"f"}]}]}`,
				`{"scope_type":"JAR","scopes":[{"scope_type":"CLASS","name":"a","scopes":[{"scope_type":"METHOD","name":"g"}]}]}`,
			},
		},
		"a root scope twice": {
			[]string{`{"scope_type":"JAR","name":"a"}`},
			[]string{`{"scope_type":"JAR","name":"a"}`, `{"scope_type":"JAR","name":"a"}`},
		},
		"scopes that can't be told apart": {
			[]string{`{"scope_type":"FILE","scopes":[{"scope_type":"LOCAL","scopes":[{"scope_type":"a"}]},{"scope_type":"LOCAL","scopes":[{"scope_type":"b"}]}]}`},
			[]string{`{"scope_type":"FILE","scopes":[{"scope_type":"LOCAL","scopes":[{"scope_type":"b"}]},{"scope_type":"LOCAL","scopes":[{"scope_type":"a"}]}]}`},
		},
		"nothing": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := compareTexts(t, test.a, test.b, compare.Options{})
			if !report.Equal() {
				t.Errorf("differences %v, want none", report.Differences)
			}
		})
	}
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	class := func(members string) []string {
		return []string{`{"scope_type":"FILE","name":"a.rb","scopes":[{"scope_type":"CLASS","name":"A"` + members + `}]}`}
	}
	const symbolX, symbolY = `{"name":"x","symbol_type":"ARG","line":1}`, `{"name":"y","symbol_type":"ARG","line":1}`
	var many []string
	for i := range 12 {
		many = append(many, fmt.Sprintf(`{"scope_type":"METHOD","name":"m%d"}`, i))
	}
	for name, test := range map[string]struct {
		a, b []string
		want []string
	}{
		"root scopes": {
			[]string{`{"scope_type":"FILE","name":"a"}`},
			[]string{`{"scope_type":"FILE","name":"b"}`, `{"scope_type":"file","name":"a"}`},
			[]string{`missing    scope   FILE "a"`, `added      scope   FILE "b"`, `added      scope   file "a"`},
		},
		"scopes": {
			class(`,"scopes":[{"scope_type":"METHOD","name":"f","symbols":[` + symbolX + `]},{"scope_type":"LOCAL","start_line":3}]`),
			class(`,"scopes":[{"scope_type":"METHOD","name":"g","scopes":[{"scope_type":"LOCAL"}]}]`),
			[]string{
				`missing    scope   FILE "a.rb" > CLASS "A" > METHOD "f"`,
				`missing    scope   FILE "a.rb" > CLASS "A" > LOCAL at line 3`,
				`added      scope   FILE "a.rb" > CLASS "A" > METHOD "g"`,
			},
		},
		"keys": {
			class(`,"start_line":1,"has_injectible_lines":true,"language_specifics":{"interfaces":["I","J"],"arity":0}`),
			class(`,"start_line":2,"new":"x","language_specifics":{"interfaces":["I"],"arity":1}`),
			[]string{
				`different  scope   FILE "a.rb" > CLASS "A": has_injectible_lines: true in A, nothing in B`,
				`different  scope   FILE "a.rb" > CLASS "A": language_specifics.arity: 0 in A, 1 in B`,
				`different  scope   FILE "a.rb" > CLASS "A": language_specifics.interfaces: 2 elements in A, 1 element in B`,
				`different  scope   FILE "a.rb" > CLASS "A": new: nothing in A, "x" in B`,
				`different  scope   FILE "a.rb" > CLASS "A": start_line: 1 in A, 2 in B`,
			},
		},
		"symbols": {
			class(`,"symbols":[` + symbolX + `,` + symbolY + `,{"name":"z","symbol_type":"ARG"}]`),
			class(`,"symbols":[{"name":"w","symbol_type":"ARG"},` + symbolY + `,{"name":"x","symbol_type":"ARG","line":2,"type":"int"}]`),
			[]string{
				`different  symbol  FILE "a.rb" > CLASS "A" > ARG "x": line: 1 in A, 2 in B`,
				`different  symbol  FILE "a.rb" > CLASS "A" > ARG "x": type: nothing in A, "int" in B`,
				`missing    symbol  FILE "a.rb" > CLASS "A" > ARG "z"`,
				`added      symbol  FILE "a.rb" > CLASS "A" > ARG "w"`,
			},
		},
		"order of symbols": {
			class(`,"symbols":[` + symbolX + `,` + symbolY + `]`),
			class(`,"symbols":[` + symbolY + `,` + symbolX + `]`),
			[]string{`different  scope   FILE "a.rb" > CLASS "A": symbols[0]: ARG "x" in A, ARG "y" in B`},
		},
		"a symbol twice": {
			class(`,"symbols":[` + symbolX + `]`),
			class(`,"symbols":[` + symbolX + `,` + symbolX + `]`),
			[]string{`added      symbol  FILE "a.rb" > CLASS "A" > ARG "x"`},
		},
		"overloads": {
			class(`,"scopes":[{"scope_type":"METHOD","name":"f","start_line":1},{"scope_type":"METHOD","name":"f","start_line":5}]`),
			class(`,"scopes":[{"scope_type":"METHOD","name":"f","start_line":6},{"scope_type":"METHOD","name":"f","start_line":1}]`),
			[]string{`different  scope   FILE "a.rb" > CLASS "A" > METHOD "f": start_line: 5 in A, 6 in B`},
		},
		"a scope twice": {
			class(``),
			[]string{`{"scope_type":"FILE","name":"a.rb","scopes":[{"scope_type":"CLASS","name":"A"},{"scope_type":"CLASS","name":"A"}]}`},
			[]string{`different  scope   FILE "a.rb" > CLASS "A": once in A, 2 times in B`},
		},
		"a part twice": {
			class(``),
			append(class(``), class(``)...),
			[]string{`different  scope   FILE "a.rb" > CLASS "A": once in A, 2 times in B`},
		},
		"parts whose keys differ": {
			[]string{`{"scope_type":"JAR","end_line":1}`},
			[]string{`{"scope_type":"JAR","end_line":1}`, `{"scope_type":"JAR","end_line":2}`},
			[]string{`different  scope   JAR: end_line: 1 in A, 2 in B`},
		},
		"parts of A whose keys differ": {
			[]string{`{"scope_type":"JAR","end_line":1}`, `{"scope_type":"JAR","end_line":2}`},
			[]string{`{"scope_type":"JAR","end_line":1}`},
			[]string{`different  scope   JAR: end_line: 2 in A, 1 in B`},
		},
		"many scopes": {
			class(`,"scopes":[` + strings.Join(many, ",") + `]`),
			class(`,"scopes":[` + strings.Join(many[:11], ",") + `]`),
			[]string{`missing    scope   FILE "a.rb" > CLASS "A" > METHOD "m11"`},
		},
		"numbers": {
			[]string{`{"scope_type":"FILE","new":9007199254740993}`},
			[]string{`{"scope_type":"FILE","new":9007199254740992}`},
			[]string{`different  scope   FILE: new: 9007199254740993 in A, 9007199254740992 in B`},
		},
		"false and absent": {
			[]string{`{"scope_type":"FILE","has_injectible_lines":false,"symbols":[{"name":"","symbol_type":"ARG","line":0}]}`},
			[]string{`{"scope_type":"FILE","symbols":[{"name":"","symbol_type":"ARG"}]}`},
			[]string{`different  scope   FILE: has_injectible_lines: false in A, nothing in B`, `different  symbol  FILE > ARG: line: 0 in A, nothing in B`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := compareTexts(t, test.a, test.b, compare.Options{})
			var got []string
			for i := range report.Differences {
				got = append(got, report.Differences[i].String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" || report.Count() != len(test.want) {
				t.Errorf("%d differences (-want +got):\n%s", report.Count(), diff)
			}
		})
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	report := compareTexts(t,
		[]string{`{"scope_type":"FILE","name":"a","symbols":[{"name":"x","symbol_type":"ARG","line":3}]}`, `{"scope_type":"FILE","name":"b"}`},
		[]string{`{"scope_type":"FILE","name":"a"}`, `{"scope_type":"FILE","name":"a","end_line":1}`, `{"scope_type":"FILE","name":"c"}`},
		compare.Options{Limit: 2})
	want := compare.Report{
		A:            compare.Counts{RootCount: 2, PartCount: 2, SymbolCount: 1},
		B:            compare.Counts{RootCount: 2, PartCount: 3},
		MissingCount: 2, AddedCount: 1, DifferentCount: 1,
		Differences: []compare.Difference{
			{Kind: compare.Different, What: compare.ScopeKind, Path: []compare.Step{{Type: "FILE", Name: "a"}}, Key: "end_line", A: "nothing", B: "1"},
			{Kind: compare.Missing, What: compare.SymbolKind, Path: []compare.Step{{Type: "FILE", Name: "a"}, {Type: "ARG", Name: "x", Line: 3}}},
		},
	}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// A long name is shortened where it is printed.
func TestLongNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 1<<20)
	step := compare.Step{Type: long, Name: long}
	if got := step.String(); len(got) > 600 || strings.Count(got, "é…") != 2 {
		t.Errorf("got %d bytes, want at most 600 with two ellipses", len(got))
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	const good = `{"scope_type":"FILE"}`
	for text, want := range map[string]string{
		`{"name":"x"}`:                                    "B: root scope 1: scope_type is missing, or not a string",
		`{"scope_type":7}`:                                "B: root scope 1: scope_type is missing, or not a string",
		`{"scope_type":"x","scopes":{}}`:                  "B: root scope 1: scopes is not an array",
		`{"scope_type":"x","scopes":[{"scope_type":""}]}`: "B: root scope 1: scopes[0]: scope_type is missing",
		`{"scope_type":"x","scopes":[null]}`:              "B: root scope 1: scopes[0]: a scope is not an object",
		`{"scope_type":"x","symbols":[7]}`:                "B: root scope 1: symbols[0] is not an object",
		`{`:                                               "B: unexpected EOF",
	} {
		_, err := compare.Uploads(upload("A", good), upload("B", good, text), compare.Options{})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
	broken := errors.New("broken")
	failing := compare.Upload{Name: "A", Scopes: func(yield func(map[string]any, error) bool) { yield(nil, broken) }}
	if _, err := compare.Uploads(failing, upload("B"), compare.Options{}); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

// A sequence that yields other scopes the second time causes no panic.
func TestChangingUpload(t *testing.T) {
	t.Parallel()
	times := 0
	changing := compare.Upload{Name: "B", Scopes: func(yield func(map[string]any, error) bool) {
		if times++; times == 1 {
			yield(map[string]any{"scope_type": "FILE", "new": "x"}, nil)
		}
	}}
	_, err := compare.Uploads(upload("A", `{"scope_type":"FILE"}`), changing, compare.Options{})
	if want := "B: it changed while being read"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
}

// FuzzUploads: an upload equals itself, and scopes missing in one direction are added in the other.
func FuzzUploads(f *testing.F) {
	f.Add(`{"scope_type":"FILE","name":"a","scopes":[{"scope_type":"x"},{"scope_type":"x"}]}`, `{"scope_type":"FILE","name":"a","symbols":[{"line":1e3}]}`)
	f.Add(`{"scope_type":"FILE","end_line":-0.0}{"scope_type":"FILE","language_specifics":{"a":[null,"\u2028"]}}`, `{"scope_type":"FILE","end_line":0}`)
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, exact := range []bool{false, true} {
			options := compare.Options{Exact: exact}
			for _, text := range []string{a, b} {
				report, err := compare.Uploads(sequence(text), sequence(text), options)
				if err == nil && !report.Equal() {
					t.Fatalf("compared with itself: %v, want no differences", report.Differences)
				}
			}
			report, err := compare.Uploads(sequence(a), sequence(b), options)
			back, errBack := compare.Uploads(sequence(b), sequence(a), options)
			if (err == nil) != (errBack == nil) {
				t.Fatalf("errors %v and %v, want both or neither", err, errBack)
			}
			if report.Equal() != back.Equal() || report.MissingCount != back.AddedCount || report.AddedCount != back.MissingCount {
				t.Fatalf("differences %v, the other way round %v", report.Differences, back.Differences)
			}
		}
	})
}

// sequence returns an upload of the JSON values in a text.
func sequence(text string) compare.Upload {
	return compare.Upload{Scopes: values(text)}
}

func values(text string) iter.Seq2[map[string]any, error] {
	return func(yield func(map[string]any, error) bool) {
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		for decoder.More() {
			var scope map[string]any
			err := decoder.Decode(&scope)
			if !yield(scope, err) || err != nil {
				return
			}
		}
	}
}

func ExampleUploads() {
	a := upload("A", `{"scope_type":"FILE","name":"shop.rb","end_line":9,"symbols":null}`)
	b := upload("B", `{"scope_type":"FILE","name":"shop.rb","end_line":7}`, `{"scope_type":"FILE","name":"cart.rb"}`)
	report, err := compare.Uploads(a, b, compare.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range report.Differences {
		fmt.Println(&report.Differences[i])
	}
	// Output:
	// different  scope   FILE "shop.rb": end_line: 9 in A, 7 in B
	// added      scope   FILE "cart.rb"
}
