package devintake_test

import (
	"bytes"
	"encoding/json"
	"slices"
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
		var envelope map[string]json.RawMessage
		if err := json.Unmarshal(text, &envelope); err != nil {
			t.Fatal(err)
		}
		var scopes []json.RawMessage
		if err := json.Unmarshal(envelope["scopes"], &scopes); err != nil {
			t.Fatal(err)
		}
		if len(scopes) != count {
			t.Fatalf("%d scopes, want %d", count, len(scopes))
		}
		leniently, _, err := devintake.CheckEnvelopeLeniently(bytes.NewReader(text))
		if err != nil || leniently != count {
			t.Fatalf("%d scopes leniently, %v, want %d", leniently, err, count)
		}
		var spaced bytes.Buffer
		if err := json.Indent(&spaced, text, "\n", "\t "); err != nil {
			t.Fatal(err)
		}
		if _, err := devintake.CheckEnvelope(&spaced); err != nil && !strings.Contains(err.Error(), "under an unknown key") {
			t.Fatalf("spaced: %v", err)
		}
	})
}

// What is accepted leniently is JSON to the standard library as well, and each deviation is counted
// and illustrated.
func FuzzCheckEnvelopeLeniently(f *testing.F) {
	for _, scope := range wellFormed {
		f.Add([]byte(envelopeOf(uploadID, 1, true, scope, goodScope)))
	}
	for _, scope := range lenientScopes {
		f.Add([]byte(envelopeOf(uploadID, 1, true, scope.text)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, deviations, err := devintake.CheckEnvelopeLeniently(bytes.NewReader(text))
		_, again, errAgain := devintake.CheckEnvelopeLeniently(iotest.OneByteReader(bytes.NewReader(text)))
		if (err == nil) != (errAgain == nil) || err == nil && !slices.Equal(deviations, again) {
			t.Fatalf("%v, %v, byte by byte %v, %v, want the same", deviations, err, again, errAgain)
		}
		if err == nil && !json.Valid(text) {
			t.Fatal("accepts what is no JSON")
		}
		for _, d := range deviations {
			if d.Count < 1 || d.Example == "" {
				t.Fatalf("deviation %+v, want a count and an example", d)
			}
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
