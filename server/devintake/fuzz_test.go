package devintake_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/scopegate/scopegate/server/devintake"
)

// What is accepted is JSON to the standard library as well, has as many scopes
// there, and is accepted in any spacing and however it is cut by the reader.
func FuzzCheckEnvelope(f *testing.F) {
	for _, scope := range wellFormed {
		f.Add([]byte(envelopeOf(uploadID, 1, true, scope, goodScope)))
	}
	f.Add([]byte(`{"service":"a","version":"","language":"go"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		count, err := devintake.CheckEnvelope(bytes.NewReader(text))
		if _, again := devintake.CheckEnvelope(iotest.OneByteReader(bytes.NewReader(text))); (err == nil) != (again == nil) {
			t.Fatalf("%v, byte by byte %v, want both or neither", err, again)
		}
		if err != nil {
			return
		}
		var decoded struct{ Scopes []json.RawMessage }
		if err := json.Unmarshal(text, &decoded); err != nil {
			t.Fatal(err)
		}
		if len(decoded.Scopes) != count {
			t.Fatalf("%d scopes, want %d", count, len(decoded.Scopes))
		}
		var spaced bytes.Buffer
		if err := json.Indent(&spaced, text, "\n", "\t "); err != nil {
			t.Fatal(err)
		}
		if _, err := devintake.CheckEnvelope(&spaced); err != nil {
			t.Fatalf("spaced: %v", err)
		}
	})
}

// The scanner agrees with the standard library about what JSON is, except that
// it is stricter about text.
func FuzzSkipJSON(f *testing.F) {
	for _, scope := range wellFormed {
		f.Add([]byte(scope))
	}
	for _, text := range []string{`-0.5E-7`, ` [1, 2 ,{} ] `, `"\ud83d\ude00"`, `nul`, `01`, `1.`, `tru`, `[1,]`, `{"a" 1}`, "\"\x7f\x00\""} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := devintake.SkipJSON(bytes.NewReader(text))
		valid := json.Valid(text)
		if err == nil && !valid {
			t.Fatal("accepts what is no JSON")
		}
		stricter := !utf8.Valid(text) || bytes.Contains(bytes.ToLower(text), []byte(`\ud`)) || bytes.Count(text, []byte{'['})+bytes.Count(text, []byte{'{'}) > 1000 || len(text) > 1<<15
		if err != nil && valid && !stricter {
			t.Fatal(err)
		}
	})
}

// Whatever the text in it, an envelope that the standard library writes is
// accepted.
func FuzzValidEnvelope(f *testing.F) {
	f.Add("shop", "1.2", "main", int32(1), int32(2147483647))
	f.Add("é\u2028\x00", "\"\\", "", int32(-1), int32(0))
	f.Fuzz(func(t *testing.T, service, version, name string, start, end int32) {
		service, version, name = strings.ToValidUTF8(service, "?"), strings.ToValidUTF8(version, "?"), strings.ToValidUTF8(name, "?")
		if service == "" || len(service)+len(version) > 1<<14 {
			return
		}
		type scope struct {
			ScopeType string         `json:"scope_type"`
			Name      string         `json:"name"`
			StartLine int32          `json:"start_line"`
			EndLine   int32          `json:"end_line"`
			Specifics map[string]any `json:"language_specifics"`
		}
		text, err := json.Marshal(struct {
			Service  string  `json:"service"`
			Version  string  `json:"version"`
			Language string  `json:"language"`
			UploadID string  `json:"upload_id"`
			BatchNum int     `json:"batch_num"`
			Scopes   []scope `json:"scopes"`
			Final    bool    `json:"final"`
		}{
			service, version, "go", uploadID, 1,
			[]scope{{"package", name, start, end, map[string]any{"x-" + service: []any{name, start, nil}, "super_class": name}}},
			false,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := devintake.CheckEnvelope(bytes.NewReader(text)); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	})
}
