package server

import (
	"context"
	"fmt"

	"github.com/scopegate/scopegate/server/internal/secret"
	"github.com/scopegate/scopegate/server/internal/tenant"
	"github.com/scopegate/scopegate/server/textfile"
)

// Secret is a string that is never shown: printed, logged or marshalled, it is
// "[redacted]". Its Reveal method returns the value. The zero value holds no secret.
type Secret = secret.Secret

// NewSecret returns a secret that holds value.
func NewSecret(value string) Secret { return secret.New(value) }

// ParseSecret parses a key or token from the content of a file or an environment variable:
// one word of printable ASCII. It ignores a byte order mark and white space around the
// word. Errors do not repeat the text.
func ParseSecret(text string) (Secret, error) { return secret.Parse(text) }

// ReadSecret reads a file and parses it as [ParseSecret] does. If the file is a pipe,
// ReadSecret waits for its writer until ctx ends.
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

// NewToken returns a new random token for a tenant, and its hash in the form that the
// tenants file expects.
func NewToken() (token Secret, hash string) {
	value := tenant.NewToken()
	return secret.New(value), tenant.HashOf(value).String()
}
