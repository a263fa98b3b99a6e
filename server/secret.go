package server

import (
	"github.com/scopegate/scopegate/server/internal/secret"
	"github.com/scopegate/scopegate/server/internal/tenant"
)

// Secret is a string that doesn't show itself: printed, logged or marshalled, it
// is "[redacted]". Its Reveal method returns the value. The zero value is no
// secret at all.
type Secret = secret.Secret

// NewSecret returns the secret with that value.
func NewSecret(value string) Secret { return secret.New(value) }

// NewToken returns a new token for a tenant, and its hash as it stands in the file
// of tenants.
func NewToken() (token Secret, hash string) {
	value := tenant.NewToken()
	return secret.New(value), tenant.HashOf(value).String()
}
