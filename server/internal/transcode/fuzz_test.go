package transcode_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/scopegate/scopegate/server/internal/transcode"
)

// FuzzTranscode feeds any bytes as a scope to both paths. See compare.
func FuzzTranscode(f *testing.F) {
	for _, name := range goldenNames(f) {
		f.Add(marshaled(f, readScope(f, name)))
	}
	f.Fuzz(func(t *testing.T, wire []byte) { compare(t, wire) })
}

// FuzzAppendString holds the escaper against encoding/json.
func FuzzAppendString(f *testing.F) {
	f.Add("")
	f.Add("12345678\"\\\x00\x1f\x7f\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		got := transcode.AppendString([]byte("before"), s)
		quoted, ok := bytes.CutPrefix(got, []byte("before"))
		if !ok {
			t.Fatalf("what stood in dst is gone: %q", got)
		}
		if !utf8.ValidString(s) {
			return
		}
		var back string
		if err := json.Unmarshal(quoted, &back); err != nil || back != s {
			t.Fatalf("%q is written as %s, and read as %q, error %v, want %v", s, quoted, back, err, s)
		}
	})
}
