package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/scopegate/scopegate/server/internal/secret"
)

const canary = "canary/77+ü\"x"

// TestSecretShowsNowhere prints a secret in every way there is.
func TestSecretShowsNowhere(t *testing.T) {
	t.Parallel()
	type hidden struct{ key secret.Secret }
	type shown struct {
		Key  secret.Secret
		Keys []secret.Secret
		Map  map[string]secret.Secret
	}
	s := secret.New(canary)
	values := []any{s, &s, hidden{s}, &hidden{s}, shown{s, []secret.Secret{s}, map[string]secret.Secret{"k": s}}, []hidden{{s}}}
	var out strings.Builder
	for _, value := range values {
		for _, verb := range "vdsqxXobtTeEfFgGcUp" {
			fmt.Fprintf(&out, "%"+string(verb)+" %+"+string(verb)+" %#"+string(verb)+"\n", value, value, value)
		}
		for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
			encoded, err := marshal(value)
			if err != nil {
				t.Error(err)
			}
			out.Write(encoded)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("text", "key", value)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("json", "key", value)
		out.Write(log.Bytes())
	}
	for _, leaked := range []string{"canary", "63616e617279", "63616E617279"} {
		if at := strings.Index(out.String(), leaked); at >= 0 {
			t.Errorf("leaked: %.60q", out.String()[max(0, at-20):])
		}
	}
	if !strings.Contains(out.String(), "[redacted]") {
		t.Error("nothing tells that there is a secret")
	}
	if s.Reveal() != canary || !s.Equal(secret.New(canary)) || s.Equal(secret.New("other")) || s.IsZero() {
		t.Error("the secret is not kept")
	}
	if none := secret.New(""); !none.IsZero() || none.String() != "" || none.Reveal() != "" || none.Equal(s) {
		t.Error("no secret is one")
	}
}

func TestRedactor(t *testing.T) {
	t.Parallel()
	r := secret.NewRedactor(secret.New("k/1"), secret.New("k/12"), secret.Secret{}, secret.New("q\"u"))
	for _, test := range []struct {
		text  string
		limit int
		want  string
	}{
		{"", 10, ""},
		{"nothing", 100, "nothing"},
		{"nothing", 3, "not"},
		{"a k/12 b k/1 c", 100, "a [redacted] b [redacted] c"},
		{"k%2F1", 100, "[redacted]"},
		{`{"key":"q\"u"}`, 100, `{"key":"[redacted]"}`},
		{"abk/12", 3, "ab[redacted]"}, // it begins within the limit
		{"abck/12", 3, "abc"},
	} {
		if got := r.Redact(test.text, test.limit); got != test.want {
			t.Errorf("%q up to %d: %q, want %q", test.text, test.limit, got, test.want)
		}
	}
	if r.LongestBytes() != len("k%2F12") {
		t.Errorf("the longest has %d bytes, want %v", r.LongestBytes(), len("k%2F12"))
	}
}
