// Package secret keeps keys, passwords and tokens out of what people read. Start
// at [New]; [Secret.Reveal] is the one way to the value. [Redactor] takes secrets
// out of what others have written.
//
// It protects from carelessness, not from code that wants to read the memory.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// redacted stands for a secret wherever it is printed.
const redacted = "[redacted]"

// Secret is a string that doesn't show itself: not with any verb of fmt, not as a
// field of something printed, logged or marshalled. The zero value is no secret
// at all.
type Secret struct {
	// value is a pointer, because fmt prints the strings in fields that are not
	// exported without asking their methods.
	value *string
}

// New returns the secret with that value; the zero value where that is empty.
func New(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// Reveal returns the value; empty for the zero value. What it returns must go
// nowhere but to who the secret is for.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero tells that there is no secret.
func (s Secret) IsZero() bool { return s.value == nil }

// Equal compares two secrets in a time that doesn't depend on where they differ.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns "[redacted]", or nothing for the zero value.
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
