package devintake_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/server/devintake"
)

// Scopes as the five tracers write them, and with every key.
var wellFormed = map[string]string{
	"go":     `{"scope_type":"package","name":"main","start_line":0,"end_line":0,"language_specifics":{"agent_version":"7.1"},"scopes":[{"scope_type":"function","name":"","source_file":"/a.go","start_line":1,"end_line":2147483647,"has_injectible_lines":true,"injectible_lines":[{"start":1,"end":3}],"language_specifics":{"go_qualified_name":"main.f"},"symbols":[{"name":"x","type":"int","symbol_type":"local","line":2,"language_specifics":{"available_line_ranges":[{"start":1,"end":2}]}}]}]}`,
	"java":   `{"scope_type":"JAR","name":"a.jar","start_line":0,"end_line":0,"scopes":[{"scope_type":"CLASS","name":"a.B","source_file":"B.java","start_line":1,"end_line":9,"language_specifics":{"access_modifiers":["public"],"annotations":[],"interfaces":["I"],"super_class":"C"},"scopes":[{"scope_type":"LOCAL","start_line":1,"end_line":2}]}]}`,
	"python": `{"scope_type":"MODULE","name":"m","source_file":"m.py","start_line":0,"end_line":0,"language_specifics":{"file_hash":"da39a3ee"},"symbols":[{"name":"é\u00e9\ud83d\ude00","type":null,"symbol_type":"STATIC_FIELD","line":0}]}`,
	"dotnet": `{"scope_type":"assembly","name":"a","start_line":-1,"end_line":0,"language_specifics":{"pdb_exist":false,"start_column":1,"end_column":2,"super_classes":["x"],"return_type":"int"}}`,
	"ruby":   `{"scope_type":"FILE","name":"f.rb","start_line":0,"end_line":0,"language_specifics":{"arity":-2,"visibility":"private","method_type":"class","function_type":"f","included_modules":["A"],"prepended_modules":["B"]}}`,
	"open":   `{"scope_type":"x","start_line":0,"end_line":0,"language_specifics":{"new":[1,-2.5e+3,{"a":null,"b":[true,false]},"\"\\\/\b\f\n\r\t"],"other":{}}}`,
	"more":   `{"scope_type":"x","start_line":0,"end_line":0,"symbols":[{"name":"x","type":null,"symbol_type":"field","new":[null]}],"a":1,"b":{"c":[]}}`,
	"server": `{"scope_type":"x","start_line":0,"end_line":0,"a":1,"b":{},"symbols":[{"name":"x","type":null,"symbol_type":"field"}],"scopes":[{"scope_type":"y","start_line":0,"end_line":0}]}`,
	"empty":  `{"scope_type":"x","start_line":0,"end_line":0,"has_injectible_lines":false,"language_specifics":{}}`,
}

func TestWellFormedScopes(t *testing.T) {
	t.Parallel()
	for name, scope := range wellFormed {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := devintake.CheckEnvelope(strings.NewReader(envelopeOf(uploadID, 1, true, goodScope, scope))); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMalformedScopes(t *testing.T) {
	t.Parallel()
	const head, lines = `{"scope_type":"x",`, `"start_line":0,"end_line":0`
	symbol := func(text string) string { return head + lines + `,"symbols":[` + text + `]}` }
	specifics := func(text string) string { return head + lines + `,"language_specifics":{` + text + `}}` }
	inner := func(text string) string { return head + lines + `,"scopes":[` + goodScope + `,` + text + `]}` }
	tests := []struct{ name, scope, reason string }{
		{"no type", `{"name":"x",` + lines + `}`, `scopes[0].scope_type: missing`},
		{"nothing", `{}`, `scopes[0].scope_type: missing`},
		{"empty type", `{"scope_type":"",` + lines + `}`, `scopes[0].scope_type: is empty`},
		{"null name", head + `"name":null,` + lines + `}`, `scopes[0].name: is null: omit the key`},
		{"null file", head + `"source_file":null,` + lines + `}`, `scopes[0].source_file: is null: omit the key`},
		{"no start", head + `"end_line":0}`, `scopes[0].start_line: missing`},
		{"no end", head + `"start_line":0}`, `scopes[0].end_line: missing`},
		{"line is text", head + `"start_line":"0","end_line":0}`, `scopes[0].start_line: want an integer, not a string`},
		{"line too high", head + `"start_line":2147483648,"end_line":0}`, `scopes[0].start_line: 2147483648 is not a 32-bit integer`},
		{"line with exponent", head + `"start_line":1e3,"end_line":0}`, `scopes[0].start_line: 1e3 is not a 32-bit integer`},
		{"line with zero", head + `"start_line":01,"end_line":0}`, `scopes[0].start_line: malformed number`},
		{"late name", head + lines + `,"name":"x"}`, `scopes[0].name: is out of order: it must precede "end_line"`},
		{"has lines", head + lines + `,"has_injectible_lines":1}`, `has_injectible_lines: want a boolean, not a number`},
		{"no lines", head + lines + `,"injectible_lines":[]}`, `injectible_lines: is empty: omit the key`},
		{"null lines", head + lines + `,"injectible_lines":null}`, `injectible_lines: is null`},
		{"line range", head + lines + `,"injectible_lines":[{"start":1,"end":2},{"start":1}]}`, `scopes[0].injectible_lines[1].end: missing`},
		{"specifics null", head + lines + `,"language_specifics":null}`, `language_specifics: is null`},
		{"no symbols", head + lines + `,"symbols":[]}`, `scopes[0].symbols: is empty`},
		{"no scopes", head + lines + `,"scopes":[]}`, `scopes[0].scopes: is empty`},
		{"after unknown", head + `"extra":1,` + lines + `}`, `scopes[0].start_line: is out of order: it must precede "extra"`},
		{"late specifics", head + lines + `,"extra":1,"language_specifics":{}}`, `language_specifics: is out of order: it must precede "extra"`},
		{"null start", head + `"start_line":null,"end_line":0}`, `scopes[0].start_line: want an integer, not null`},
		{"unknown in a range", head + lines + `,"injectible_lines":[{"start":1,"end":2,"x":3}]}`, `injectible_lines[0]: unknown key "x"`},
		{"unknown twice", head + lines + `,"extra":1,"extra":2}`, `scopes[0]: duplicate key "extra"`},
		{"deep", inner(inner(symbol(`{"name":"x"}`))), `scopes[0].scopes[1].scopes[1].symbols[0].type: missing`},

		{"symbol without name", symbol(`{"type":null,"symbol_type":"arg"}`), `symbols[0].name: missing`},
		{"symbol without type", symbol(`{"name":"x","symbol_type":"arg"}`), `symbols[0].type: missing`},
		{"symbol type", symbol(`{"name":"x","type":1,"symbol_type":"arg"}`), `symbols[0].type: want a string, not a number`},
		{"symbol type like null", symbol(`{"name":"x","type":nil,"symbol_type":"arg"}`), `symbols[0].type: want null, not "nil,"`},
		{"symbol kind", symbol(`{"name":"x","type":null,"symbol_type":""}`), `symbols[0].symbol_type: is empty`},
		{"symbol line", symbol(`{"name":"x","type":null,"symbol_type":"arg","line":null}`), `symbols[0].line: is null: omit the key`},

		{"list of numbers", specifics(`"interfaces":["a",1]`), `language_specifics.interfaces[1]: want a string, not a number`},
		{"arity", specifics(`"arity":"1"`), `language_specifics.arity: want an integer, not a string`},
		{"pdb", specifics(`"pdb_exist":"yes"`), `language_specifics.pdb_exist: want a boolean, not a string`},
		{"ranges", specifics(`"available_line_ranges":[[1,2]]`), `available_line_ranges[0]: want an object, not an array`},
		{"typed twice", specifics(`"arity":1,"arity":1`), `duplicate key "arity"`},
		{"open twice", specifics(`"new":1,"new":1`), `duplicate key "new"`},
		{"open malformed", specifics(`"new":nope`), `want null, not "nope"`},
		{"open nothing", specifics(`"new":,`), `want a value, not ','`},
		{"open number", specifics(`"new":1.`), `malformed number`},

		{"control", head + "\"name\":\"a\nb\"," + lines + `}`, `scopes[0].name: control character in a string`},
		{"UTF-8", head + "\"name\":\"a\xffb\"," + lines + `}`, `scopes[0].name: invalid UTF-8 in a string`},
		{"surrogate", head + `"name":"\ud800 and more",` + lines + `}`, `scopes[0].name: lone surrogate in a string`},
		{"low surrogate", head + `"name":"\udc00\udc00",` + lines + `}`, `scopes[0].name: lone surrogate in a string`},
		{"escape", head + `"name":"\x41",` + lines + `}`, `scopes[0].name: unknown escape in a string`},
		{"hex", head + `"name":"\u00zz",` + lines + `}`, `scopes[0].name: malformed escape in a string`},
		{"long key", specifics(`"` + strings.Repeat("k", 1<<16+1) + `":1`), `string of more than 65536 bytes`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := devintake.CheckEnvelope(strings.NewReader(envelopeOf(uploadID, 1, true, test.scope)))
			if err == nil || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("error %v, want %q", err, test.reason)
			}
		})
	}
}

func TestNesting(t *testing.T) {
	t.Parallel()
	nested := func(levels int) string {
		const open, closing = `{"scope_type":"x","start_line":0,"end_line":0,"scopes":[`, `]}`
		return strings.Repeat(open, levels) + goodScope + strings.Repeat(closing, levels)
	}
	if _, err := devintake.CheckEnvelope(strings.NewReader(envelopeOf(uploadID, 1, true, nested(1000)))); err != nil {
		t.Error(err)
	}
	_, err := devintake.CheckEnvelope(strings.NewReader(envelopeOf(uploadID, 1, true, nested(100_000))))
	if err == nil || !strings.HasSuffix(err.Error(), "nested deeper than 2048") {
		t.Errorf("error %.100v, want %q at its end", err, "nested deeper than 2048")
	}
}

func TestOpenKeysAreBounded(t *testing.T) {
	t.Parallel()
	var scope strings.Builder
	scope.WriteString(`{"scope_type":"x","start_line":0,"end_line":0,"language_specifics":{"0":0`)
	for c := range 20 {
		scope.WriteString(`,"` + strings.Repeat(string(rune('a'+c)), 60_000) + `":0`)
	}
	scope.WriteString(`}}`)
	_, err := devintake.CheckEnvelope(strings.NewReader(envelopeOf(uploadID, 1, true, scope.String())))
	if err == nil || !strings.Contains(err.Error(), "unknown keys of more than 1048576 bytes") {
		t.Errorf("error %.100v, want %q in it", err, "unknown keys of more than 1048576 bytes")
	}
}

func TestSkipScopeCheck(t *testing.T) {
	t.Parallel()
	in := newIntake(t, devintake.Options{SkipScopeCheck: true})
	if rec := batchRequest(uploadID, 1, true, `{"any":"thing"}`).send(t, in); rec.Code != http.StatusAccepted {
		t.Errorf("status %d: %s, want %v", rec.Code, rec.Body, http.StatusAccepted)
	}
	if rec := batchRequest(uploadID, 2, true, `7`).send(t, in); rec.Code != http.StatusBadRequest {
		t.Errorf("status %d: %s, want %v", rec.Code, rec.Body, http.StatusBadRequest)
	}
}
