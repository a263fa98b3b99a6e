package payload_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/payload"
	"github.com/scopegate/scopegate/integration/gziptest"
)

const (
	scopeA   = `{"scope_type":"FILE","name":"a"}`
	scopeB   = `{"scope_type":"FILE","name":"b"}`
	envelope = `{"service":"shop","language":"ruby","scopes":[` + scopeA + `,` + scopeB + `],"upload_id":"x","batch_num":1,"final":false}`
)

// read returns the names of the scopes in a text.
func read(text string) ([]string, error) {
	var names []string
	err := payload.Read(strings.NewReader(text), func(scope map[string]any) error {
		names = append(names, fmt.Sprint(scope["name"]))
		return nil
	})
	return names, err
}

func TestRead(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"lines":                {scopeA + "\n\n" + scopeB + "\n", []string{"a", "b"}},
		"envelope":             {envelope, []string{"a", "b"}},
		"envelopes and scopes": {envelope + envelope + "\n" + scopeA, []string{"a", "b", "a", "b", "a"}},
		"scopes first":         {`{"scopes":[` + scopeA + `],"service":"shop"}`, []string{"a"}},
		"no scopes":            {`{"service":"shop","scopes":[]}`, nil},
		"null scopes":          {`{"service":"shop","scopes":null}`, nil},
		"null scopes first":    {`{"scopes":null,"service":"shop"}`, nil},
		"printed":              {"\ufeff" + strings.ReplaceAll(envelope, ",", ",\r\n  "), []string{"a", "b"}},
		"gzip":                 {string(gziptest.Compress(t, envelope)), []string{"a", "b"}},
		"gzip twice":           {string(gziptest.Compress(t, scopeA)) + string(gziptest.Compress(t, scopeB)), []string{"a", "b"}},
		"scope with a service": {`{"scope_type":"FILE","name":"a","service":"shop","scopes":[` + scopeB + `]}`, []string{"a"}},
		"scopes of a scope":    {`{"scopes":[` + scopeB + `],"name":"a","scope_type":"FILE"}`, []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := read(test.text); err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                      "no scopes found",
		" \n":                                   "no scopes found",
		"[" + scopeA + "]":                      "at byte 1: neither a scope nor an envelope",
		"7":                                     "neither a scope nor an envelope",
		scopeA + "x":                            "at byte 32: invalid character 'x'",
		`{}`:                                    "it has no scope_type and no service",
		`{"language":"go","scopes":[]}`:         "it has no scope_type and no service",
		`{"service":"shop","scopes":{}}`:        "scopes is not an array",
		`{"scopes":7,"service":"shop"}`:         "scopes is not an array",
		`{"service":"shop","scopes":[null]}`:    "a scope is null",
		`{"service":"shop","scopes":[7]}`:       "cannot unmarshal number",
		`{"scopes":[7],"service":"shop"}`:       "a scope is not an object",
		`{"service":"a","service":"b"}`:         `duplicate key "service"`,
		`{"service":"a","scopes":[],"scopes":1`: `duplicate key "scopes"`,
		`{"service":"a","scopes":[],"scope_type":"FILE"}`: "the key service of a scope",
		envelope[:40]:              "unexpected EOF",
		envelope[:60]:              "unexpected EOF",
		envelope[:len(envelope)-1]: "unexpected EOF",
		string(gziptest.Compress(t, envelope))[:50]: "unexpected EOF",
		"\x1f\x8b":                           "decompress: unexpected EOF",
		"\xff\xfe{\x00":                      "the text is UTF-16",
		`{"service":"a","scopes":[` + scopeA: "unexpected EOF",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: error %v, want %q", text, err, want)
		}
	}
}

// names returns the names of the scopes of an upload, which is read twice.
func names(t *testing.T, scopes payload.Scopes) []string {
	t.Helper()
	var all [2][]string
	for i := range all {
		for scope, err := range scopes {
			if err != nil {
				t.Fatal(err)
			}
			all[i] = append(all[i], fmt.Sprint(scope["name"]))
		}
	}
	if !slices.Equal(all[0], all[1]) {
		t.Errorf("the second time %q, want %q", all[1], all[0])
	}
	for _, err := range scopes {
		if err != nil {
			t.Error(err)
		}
		break // it may stop
	}
	return all[0]
}

// write writes files into a new directory, and returns its path.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const uploadID = "0191c1f2-7a1b-7c3d-8e4f-5a6b7c8d9e0f"

// intake serves an upload of two batches as a development intake does.
func intake(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /uploads/"+uploadID, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"upload_id":"`+uploadID+`","batches":[{"batch_num":1},{"batch_num":3}]}`)
	})
	mux.HandleFunc("GET /uploads/"+uploadID+"/batches/1", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(gziptest.Compress(t, envelope))
	})
	mux.HandleFunc("GET /uploads/"+uploadID+"/batches/3", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, envelope)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func TestFind(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{
		"10.json": scopeB, "2.json.gz": string(gziptest.Compress(t, envelope)), "2.event.json": "no", "2.request.json": "no", "more.ndjson": scopeA, "x.txt": "no",
	})
	address := intake(t)
	twice := []string{"a", "b", "a", "b"}
	for name, test := range map[string]struct {
		upload string
		want   []string
	}{
		"file":   {filepath.Join(dir, "2.json.gz"), []string{"a", "b"}},
		"folder": {dir, []string{"a", "a", "b", "b"}},
		"URL":    {address + "/uploads/" + uploadID + "/", twice},
		"ID":     {uploadID, twice},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scopes, err := payload.Find(t.Context(), test.upload, address+"/")
			if err != nil {
				t.Fatal(err)
			}
			if got := names(t, scopes); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestFindFails(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"1.json": "[]", "1.event.json": "{}"})
	empty := write(t, map[string]string{"1.event.json": "{}"})
	address := intake(t)
	for name, test := range map[string]struct{ upload, want string }{
		"no file":         {filepath.Join(dir, "none"), "no such file"},
		"wrong file":      {filepath.Join(dir, "1.json"), "1.json: at byte 1: neither a scope nor an envelope"},
		"wrong folder":    {dir, "1.json: at byte 1: neither"},
		"empty folder":    {empty, "has no file to compare"},
		"device":          {os.DevNull, "is not a regular file"},
		"URL of an index": {address + "/uploads", "is not the URL of an upload"},
		"unknown upload":  {address + "/uploads/x", "404 Not Found"},
		"no intake":       {"http://127.0.0.1:1/uploads/x", "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scopes, err := payload.Find(t.Context(), test.upload, address)
			if err == nil {
				for _, found := range scopes {
					err = found
				}
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestFindEndsWithTheContext(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"1.json": envelope})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	scopes, err := payload.Find(ctx, dir, "")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	var last error
	for _, last = range scopes {
		count++
		cancel()
	}
	if count != 2 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d elements, the last %v, want 2 and %v", count, last, context.Canceled)
	}
}

// FuzzRead: scopes that are read are JSON objects, and spacing does not change their number.
func FuzzRead(f *testing.F) {
	for _, text := range []string{scopeA, envelope, `{"scopes":[` + scopeA + `,{}],"service":1}`, "\x1f\x8b\x08", scopeA + scopeB, `{"service":1,"scopes":null}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		count := 0
		err := payload.Read(bytes.NewReader(text), func(scope map[string]any) error {
			if _, err := json.Marshal(scope); err != nil {
				t.Fatal(err)
			}
			count++
			return nil
		})
		if err != nil || bytes.HasPrefix(text, []byte("\x1f\x8b")) {
			return
		}
		var spaced bytes.Buffer
		for values := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff")))); values.More(); {
			var value json.RawMessage
			if err := values.Decode(&value); err != nil {
				t.Fatalf("accepts what is no JSON: %v", err)
			}
			if err := json.Indent(&spaced, value, "\n", "\t"); err != nil {
				t.Fatal(err)
			}
		}
		again := 0
		err = payload.Read(&spaced, func(map[string]any) error { again++; return nil })
		if err != nil || again != count {
			t.Fatalf("spaced: %d scopes, %v, want %d", again, err, count)
		}
	})
}

func ExampleRead() {
	text := `{"service":"shop","scopes":[{"scope_type":"FILE","name":"a.rb"}],"batch_num":1}
{"scope_type":"FILE","name":"b.rb"}`
	err := payload.Read(strings.NewReader(text), func(scope map[string]any) error {
		fmt.Println(scope["name"])
		return nil
	})
	fmt.Println(err)
	// Output:
	// a.rb
	// b.rb
	// <nil>
}
