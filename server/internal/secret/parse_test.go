package secret_test

import (
	"strings"
	"testing"

	"github.com/scopegate/scopegate/server/internal/secret"
)

func TestParse(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", secret.MaxBytes)
	for text, want := range map[string]string{
		"key": "key", "key\n": "key", "key\r\n": "key", "\ufeffkey\r\n": "key", " \t\r\nkey \t\n\n": "key",
		"!~": "!~", long: long, "\ufeff " + long: long,
	} {
		got, err := secret.Parse(text)
		if err != nil || got.Reveal() != want {
			t.Errorf("%.20q: got %.20q, %v, want %v", text, got.Reveal(), err, want)
		}
	}
	for text, want := range map[string]string{
		"": "empty", " \r\n\t": "empty", "\ufeff": "empty", "\ufeff\n": "empty",
		"canary x": "more than one word", "canary\nx": "more than one word", "canary\tx": "more than one word",
		"canaryü": "not printable ASCII", "canary\u00a0": "not printable ASCII", "\u00a0canary": "not printable ASCII",
		"canary\x00": "not printable ASCII", "\x1bcanary": "not printable ASCII", "canary\x7f": "not printable ASCII",
		"canary\u200b": "not printable ASCII", "\ufeff\ufeffcanary": "not printable ASCII", "canary\xff": "not printable ASCII",
		"canary\v": "not printable ASCII", long + "k": "longer than 4096 bytes",
	} {
		got, err := secret.Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) || !got.IsZero() {
			t.Errorf("%.20q: got %v, %v, want %q", text, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%.20q: the error repeats it: %v", text, err)
		}
	}
}
