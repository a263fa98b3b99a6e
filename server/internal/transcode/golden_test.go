package transcode_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/transcode"
	"github.com/scopegate/scopegate/server/internal/transcode/transcodetest"
)

const maxDepth = 64

var plan = transcodetest.Plan()

// transcoded returns what a scope's wire bytes are written as.
func transcoded(tb testing.TB, wire []byte) []byte {
	tb.Helper()
	checked, err := plan.Check(wire, maxDepth)
	if err != nil {
		tb.Fatalf("Check: %v", err)
	}
	return new(transcodetest.Recorder).Append(checked, nil)
}

func marshaled(tb testing.TB, m proto.Message) []byte {
	tb.Helper()
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		tb.Fatalf("Marshal: %v", err)
	}
	return wire
}

// readScope reads a scope from testdata/NAME.textproto.
func readScope(tb testing.TB, name string) *symdbv1.Scope {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".textproto"))
	if err != nil {
		tb.Fatal(err)
	}
	scope := &symdbv1.Scope{}
	if err := prototext.Unmarshal(text, scope); err != nil {
		tb.Fatal(err)
	}
	return scope
}

// goldenNames lists the cases in testdata. What they expect was written by hand
// from the format, not by the transcoder.
func goldenNames(tb testing.TB) []string {
	tb.Helper()
	paths, err := filepath.Glob("testdata/*.textproto")
	if err != nil || len(paths) < 7 {
		tb.Fatalf("%d cases in testdata, error %v, want at least 7", len(paths), err)
	}
	for i, path := range paths {
		paths[i] = strings.TrimSuffix(filepath.Base(path), ".textproto")
	}
	return paths
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, name := range goldenNames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pretty, err := os.ReadFile(filepath.Join("testdata", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var want bytes.Buffer
			if err := json.Compact(&want, pretty); err != nil {
				t.Fatal(err)
			}
			scope := readScope(t, name)
			if got := transcoded(t, marshaled(t, scope)); !bytes.Equal(got, want.Bytes()) {
				t.Errorf("transcoded:\n%s\nwant:\n%s", got, want.Bytes())
			}
			reference, err := transcodetest.JSON(scope)
			if err != nil || !bytes.Equal(reference, want.Bytes()) {
				t.Errorf("reference (error %v):\n%s\nwant:\n%s", err, reference, want.Bytes())
			}
		})
	}
}

// A message without the fields that must be set is refused; with just them, it
// is written without a key too many.
func TestSmallestScope(t *testing.T) {
	t.Parallel()
	got := transcoded(t, marshaled(t, &symdbv1.Scope{ScopeType: "package"}))
	if want := `{"scope_type":"package","start_line":0,"end_line":0}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A scope that is a literal of the Go API, field by field: absent, empty and
// zero are three things.
func TestAbsentEmptyZero(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		symbol *symdbv1.Symbol
		want   string
	}{
		"absent": {
			&symdbv1.Symbol{Name: new(""), SymbolType: "arg"},
			`{"name":"","type":null,"symbol_type":"arg"}`,
		},
		"empty and zero": {
			&symdbv1.Symbol{Name: new(""), Type: new(""), SymbolType: "arg", Line: new(int32(0))},
			`{"name":"","type":"","symbol_type":"arg","line":0}`,
		},
		"message set, all in it absent": {
			&symdbv1.Symbol{Name: new("n"), SymbolType: "arg", LanguageSpecifics: &symdbv1.LanguageSpecifics{}},
			`{"name":"n","type":null,"symbol_type":"arg","language_specifics":{}}`,
		},
		"false": {
			&symdbv1.Symbol{
				Name: new("n"), SymbolType: "arg",
				LanguageSpecifics: &symdbv1.LanguageSpecifics{PdbExist: new(false), Arity: new(int32(0))},
			},
			`{"name":"n","type":null,"symbol_type":"arg","language_specifics":{"pdb_exist":false,"arity":0}}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := transcoded(t, marshaled(t, &symdbv1.Scope{ScopeType: "s", Symbols: []*symdbv1.Symbol{tt.symbol}}))
			want := `{"scope_type":"s","start_line":0,"end_line":0,"symbols":[` + tt.want + `]}`
			if string(got) != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

var _ transcode.Sink = (*transcodetest.Recorder)(nil)
