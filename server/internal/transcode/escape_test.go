package transcode_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/server/internal/transcode"
)

func TestAppendString(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"":                   `""`,
		"plain":              `"plain"`,
		`"`:                  `"\""`,
		`\`:                  `"\\"`,
		"/":                  `"/"`,
		"\b\f\n\r\t":         `"\b\f\n\r\t"`,
		"\x00\x01\x1f":       `"\u0000\u0001\u001f"`,
		"\x7f<>&'":           "\"\x7f<>&'\"",
		"é€😀\u2028":          "\"é€😀\u2028\"",
		`{"a":"b\n"}`:        `"{\"a\":\"b\\n\"}"`,
		"12345678\n12345678": `"12345678\n12345678"`,
	}
	for s, want := range tests {
		if got := string(transcode.AppendString(nil, s)); got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
}

// Eight bytes are looked at together: each byte, at each place among them, with
// the neighbours that could hide it.
func TestEscapeInEveryPlace(t *testing.T) {
	t.Parallel()
	for _, filling := range []string{"a", "\x00", "\x1f", " ", "!", "#", "[", "]", "\x7f", `"`, `\`} {
		for c := range 0x80 {
			for place := range 17 {
				s := strings.Repeat(filling, place) + string(rune(c)) + strings.Repeat(filling, 16-place)
				got := transcode.AppendString(nil, s)
				var back string
				if err := json.Unmarshal(got, &back); err != nil || back != s {
					t.Fatalf("%q is written as %s: %v, want %v", s, got, err, s)
				}
			}
		}
	}
	// Above ASCII nothing is escaped.
	for r := rune(0x80); r < 0x3000; r++ {
		s := "abc" + string(r) + "defgh" + string(r)
		if got := string(transcode.AppendString(nil, s)); got != `"`+s+`"` {
			t.Fatalf("%q is written as %s, want %v", s, got, `"`+s+`"`)
		}
	}
}
