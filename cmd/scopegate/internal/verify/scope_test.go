package verify_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/verify"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

func scope() *symdbv1.Scope {
	return &symdbv1.Scope{
		ScopeType: "CLASS",
		Name:      new(""),
		EndLine:   7,
		LanguageSpecifics: &symdbv1.LanguageSpecifics{
			Arity:               new(int32(0)),
			AvailableLineRanges: []*symdbv1.LineRange{{Start: 1}},
			Additional: map[string]*structpb.Value{
				"arity":  structpb.NewStringValue("loses"),
				"sealed": structpb.NewBoolValue(false),
				"depth":  structpb.NewNumberValue(1.5),
			},
		},
		Symbols: []*symdbv1.Symbol{
			{Name: new("x"), SymbolType: "FIELD"},
			{
				Name: new("y"), Type: new(""), SymbolType: "ARG", Line: new(int32(0)),
				Additional: map[string]*structpb.Value{"unit": structpb.NewStringValue("km"), "line": structpb.NewNumberValue(3)},
			},
		},
		Additional: map[string]*structpb.Value{"future": structpb.NewNullValue(), "source_file": structpb.NewStringValue("left out")},
		Scopes:     []*symdbv1.Scope{{ScopeType: "METHOD", LanguageSpecifics: &symdbv1.LanguageSpecifics{}}},
	}
}

func TestObject(t *testing.T) {
	t.Parallel()
	const want = `{"end_line":7,"future":null,"language_specifics":{"arity":0,"available_line_ranges":[{"end":0,"start":1}],` +
		`"depth":1.5,"sealed":false},"name":"","scope_type":"CLASS",` +
		`"scopes":[{"end_line":0,"language_specifics":{},"scope_type":"METHOD","start_line":0}],"start_line":0,` +
		`"symbols":[{"name":"x","symbol_type":"FIELD","type":null},{"line":0,"name":"y","symbol_type":"ARG","type":"","unit":"km"}]}`
	got, err := json.Marshal(verify.Object(scope()))
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

func ExampleObject() {
	symbol := &symdbv1.Symbol{Name: new("total"), SymbolType: "LOCAL"}
	text, err := json.Marshal(verify.Object(symbol))
	fmt.Println(string(text), err)
	// Output: {"name":"total","symbol_type":"LOCAL","type":null} <nil>
}
