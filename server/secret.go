package server

import (
	"context"
	"fmt"

	"github.com/scopegate/scopegate/server/internal/secret"
	"github.com/scopegate/scopegate/server/internal/tenant"
	"github.com/scopegate/scopegate/server/textfile"
)

// Secret is a string that doesn't show itself: printed, logged or marshalled, it
// is "[redacted]". Its Reveal method returns the value. The zero value is no
// secret at all.
type Secret = secret.Secret

// NewSecret returns the secret with that value.
func NewSecret(value string) Secret { return secret.New(value) }

// ParseSecret returns the key or token that a file or an environment variable holds:
// a word of printable ASCII, without a byte order mark, blanks and line ends around it.
// Errors do not repeat the text.
func ParseSecret(text string) (Secret, error) { return secret.Parse(text) }

// ReadSecret reads a file that holds a key or a token, as [ParseSecret] takes it. The
// file may be a pipe, whose writer is waited for until ctx ends.
func ReadSecret(ctx context.Context, path string) (Secret, error) {
	content, err := textfile.ReadOnce(ctx, path, secret.MaxBytes)
	if err != nil {
		return Secret{}, err
	}
	key, err := secret.Parse(string(content))
	if err != nil {
		return Secret{}, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// NewToken returns a new token for a tenant, and its hash as it stands in the file
// of tenants.
func NewToken() (token Secret, hash string) {
	value := tenant.NewToken()
	return secret.New(value), tenant.HashOf(value).String()
}
