package settings

import (
	"os"
	"path/filepath"
	"testing"
)

const key = "5b1e0c0ffee0f6a7d8c9b0a112233445"

// TestShownAs shows values only if they have the expected form.
func TestShownAs(t *testing.T) {
	t.Parallel()
	there := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const path, none = "(path hidden: it may be a secret)", notShown
	for _, test := range []struct{ kind, value, want string }{
		{"PATH", there, there},
		{"PATH", "server.pem", "server.pem"},
		{"PATH", key, path},
		{"PATH", key + "\x01", path},
		{"PATH", "", ""},
		{"URL", "https://host/x", "https://host/x"},
		{"URL", "https://host/x " + there, "https://host/x " + there},
		{"URL", "https://host/x " + key, "https://host/x " + path},
		{"URL", key + " " + there, "(not a URL) " + there},
		{"URL", "unix:///run/x:/y", "unix:///run/x:/y"},
		{"URL", key, "(not a URL)"},
		{"URL", "localhost", "(not a URL)"},
		{"ADDRESS", "127.0.0.1:50051", "127.0.0.1:50051"},
		{"ADDRESS", "[::1]:50051", "[::1]:50051"},
		{"ADDRESS", ":50051", ":50051"},
		{"ADDRESS", "localhost", "localhost"},
		{"ADDRESS", "192.168.100.100", "192.168.100.100"},
		{"ADDRESS", "unix:///run/x", "unix:///run/x"},
		{"ADDRESS", "auto", "auto"},
		{"ADDRESS", key, none},
		{"ADDRESS", "http://u:" + key + "@host:80", "http://redacted@host:80"},
		{"N", "12345678", "12345678"},
		{"NAME", key, key},
	} {
		if got := shownAs(test.kind, test.value); got != test.want {
			t.Errorf("%s %q is shown as %q, want %q", test.kind, test.value, got, test.want)
		}
	}
}

func TestConceal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text  string
		pairs []string
		want  string
	}{
		{"open secret: no", []string{"secret", "(x)"}, "open (x): no"},
		{`open "sec\nret": no`, []string{"sec\nret", "(x)"}, `open "(x)": no`},
		{"secret-and-more secret", []string{"secret", "(x)", "secret-and-more", "(y)"}, "(y) (x)"},
		{"a b c", []string{"b", "(x)"}, "a b c"},
		{"nothing", nil, "nothing"},
	} {
		if got := conceal(test.text, test.pairs); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
	for _, arg := range []string{"much", "serve", "--max-connection-streams", "10.5GiB", "<<", "-100000", "Max_Depth"} {
		if !plain.MatchString(arg) {
			t.Errorf("%q is not shown", arg)
		}
	}
	for _, key := range []string{key, "c4n+ry/5b1eQ0FfEe/7d8c9b0a==", "sgt_C4NARY5B1EC0FFEE7D8C9B0A11", "/c4nary5b1ec0ffee7d8c9b0a"} {
		if plain.MatchString(key) {
			t.Errorf("%q is shown", key)
		}
	}
}
