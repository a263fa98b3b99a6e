// Package secret keeps keys, passwords and tokens out of logs and errors. Start at
// [New]. Only [Secret.Reveal] returns the value. A [Redactor] removes secrets from other
// people's texts. The package protects from mistakes, not from hostile code.
package secret

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/scopegate/scopegate/server/textfile"
)

// redacted replaces a secret that is printed.
const redacted = "[redacted]"

// Secret is a string that is not printed, logged or marshalled, neither by itself nor as
// a field. The zero value is empty.
type Secret struct {
	// value is a pointer because fmt prints strings in unexported fields without calling
	// their methods.
	value *string
}

// New returns a secret, or the zero value if value is empty.
func New(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// Reveal returns the value. Pass it only to the recipient of the secret.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.value == nil }

// Equal compares two secrets in constant time.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns "[redacted]", or "" for the zero value.
func (s Secret) String() string {
	if s.value == nil {
		return ""
	}
	return redacted
}

// Format prints what String returns, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns what String returns, for JSON, YAML and other encodings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue returns what String returns.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MaxBytes limits the length of a key or token, generously.
const MaxBytes = 4 << 10

// Parse returns the secret in a file or environment variable: one word of printable
// ASCII. It removes a byte order mark, and blanks and line ends around the word. Errors
// do not quote the text.
func Parse(text string) (Secret, error) {
	word := strings.Trim(strings.TrimPrefix(text, textfile.BOM), " \t\r\n")
	switch {
	case word == "":
		return Secret{}, errors.New("empty")
	case len(word) > MaxBytes:
		return Secret{}, fmt.Errorf("longer than %d bytes", MaxBytes)
	case strings.ContainsAny(word, " \t\r\n"):
		return Secret{}, errors.New("contains more than one word")
	case strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return Secret{}, errors.New("contains a character that is not printable ASCII")
	}
	return New(word), nil
}
