package tenant

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// TokenPrefix is what tokens begin with, so that those who look for secrets in
// sources and logs find them.
const TokenPrefix = "sgt_"

// NewToken returns a new token: the prefix and 26 random characters, which are 130
// bits. The characters are those of an HTTP header (RFC 6750, section 2.1).
func NewToken() string { return TokenPrefix + rand.Text() }

// Hash is what is kept of a token.
type Hash [sha256.Size]byte

// HashOf returns a token's hash.
func HashOf(token string) Hash { return sha256.Sum256([]byte(token)) }

// String returns the hash as it stands in the file: 64 hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// errNotHash doesn't repeat what there is in place of a hash: it may be a token.
var errNotHash = errors.New("not a SHA-256 hash of 64 hexadecimal digits; `scopegate token` makes one")

func parseHash(text string) (Hash, error) {
	var h Hash
	decoded, err := hex.DecodeString(text)
	if err != nil || copy(h[:], decoded) != len(h) || len(decoded) != len(h) {
		return Hash{}, errNotHash
	}
	return h, nil
}

// Credential is what has shown whose a stream is: a token or the name of a
// certificate.
type Credential struct {
	hash Hash
	name string // of the certificate; empty: it is a token
}

// known is a token of the table.
type known struct {
	expires time.Time // zero: never
	tenant  *Tenant
}

func (k known) expired(now time.Time) bool { return !k.expires.IsZero() && !now.Before(k.expires) }
