package text

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClip(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", clipBytes)
	for text, want := range map[string]string{"": "", "shop": "shop", long: strings.Repeat("ä", clipBytes/2) + "…"} {
		if got := Clip(text); got != want || !utf8.ValidString(got) {
			t.Errorf("%q is %q", text, got)
		}
	}
	if got := Clip("a" + long); !utf8.ValidString(got) || len(got) > clipBytes+len("…") {
		t.Errorf("cut within a rune: %q", got)
	}
}
