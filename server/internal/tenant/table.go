package tenant

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"time"

	"github.com/scopegate/scopegate/server/internal/secret"
)

// Tenant may upload on its terms. It is immutable.
type Tenant struct {
	Name     string    // unique
	Services *Services // nil for any
	// Uploads limits the uploads in flight; 0 for no limit.
	Uploads int
	// Bytes limits the memory of the uploads in flight together; 0 for no limit of its own.
	Bytes int64
	// Intake is where the batches go; nil for the server's own intake.
	Intake *Intake
	// AdditionalTags replaces the server's own tags unless it is empty.
	AdditionalTags string
}

// Intake is a tenant's own intake.
type Intake struct {
	URL    string
	APIKey secret.Secret // may be zero
	// Connections limits the connections; 0 for a default.
	Connections int
}

// Table is the content of a tenants file. It is immutable. The nil table has no tenant.
type Table struct {
	tenants []*Tenant
	tokens  map[Hash]known
	names   map[string]*Tenant // of certificates
}

// Reasons to reject a credential. A client learns neither.
var (
	ErrUnknown = errors.New("unknown credential")
	ErrExpired = errors.New("the token has expired")
)

// Tenants returns all tenants, in the order of the file. The caller must not change the
// slice.
func (t *Table) Tenants() []*Tenant { return t.tenants }

// CertificatesOnly returns the names of the tenants that have certificates and no tokens.
func (t *Table) CertificatesOnly() []string {
	withToken := map[*Tenant]bool{}
	for _, token := range t.tokens {
		withToken[token.tenant] = true
	}
	var names []string
	for _, tenant := range t.tenants {
		if !withToken[tenant] {
			names = append(names, tenant.Name)
		}
	}
	return names
}

// ByToken returns the token's tenant, or [ErrUnknown], or [ErrExpired] and the tenant. Its timing may
// reveal something about the hashes in the table, but not about the tokens.
func (t *Table) ByToken(token string, now time.Time) (*Tenant, Credential, error) {
	c := Credential{hash: HashOf(token)}
	owner, err := t.Owner(c, now)
	if errors.Is(err, ErrExpired) {
		owner = t.tokens[c.hash].tenant
	}
	if err != nil {
		return owner, Credential{}, err
	}
	return owner, c, nil
}

// ByCertificate returns the certificate's tenant, or [ErrUnknown]. Leaf must be the leaf
// of a verified chain. The first of its names that belongs to a tenant counts. Its names
// are its URIs and DNS names (RFC 5280, section 4.2.1.6), or else the common name of its
// subject.
func (t *Table) ByCertificate(leaf *x509.Certificate) (*Tenant, Credential, error) {
	var names []string
	for _, uri := range leaf.URIs {
		names = append(names, uri.String())
	}
	names = append(names, leaf.DNSNames...)
	if len(names) == 0 && leaf.Subject.CommonName != "" {
		names = append(names, leaf.Subject.CommonName)
	}
	for _, name := range names {
		if owner, ok := t.names[name]; ok {
			return owner, Credential{name: name}, nil
		}
	}
	return nil, Credential{}, ErrUnknown
}

// Owner returns the tenant of a credential that this or an earlier table returned, or
// [ErrUnknown] or [ErrExpired].
func (t *Table) Owner(c Credential, now time.Time) (*Tenant, error) {
	if c.name != "" {
		if owner, ok := t.names[c.name]; ok {
			return owner, nil
		}
		return nil, ErrUnknown
	}
	token, ok := t.tokens[c.hash]
	switch {
	case !ok:
		return nil, ErrUnknown
	case token.expired(now):
		return nil, ErrExpired
	}
	return token.tenant, nil
}

// TokenPrefix starts each token, so that secret scanners find them.
const TokenPrefix = "sgt_"

// NewToken returns a new token: the prefix and 130 random bits as 26 characters that an
// HTTP header may have (RFC 6750, section 2.1).
func NewToken() string { return TokenPrefix + rand.Text() }

// Hash is the SHA-256 hash of a token.
type Hash [sha256.Size]byte

// HashOf returns the hash of a token.
func HashOf(token string) Hash { return sha256.Sum256([]byte(token)) }

// String returns 64 hexadecimal digits, as in the file.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// errNotHash does not quote the text, which may be a token.
var errNotHash = errors.New("not a SHA-256 hash of 64 hexadecimal digits; `scopegate token` makes one")

func parseHash(text string) (Hash, error) {
	var h Hash
	decoded, err := hex.DecodeString(text)
	if err != nil || copy(h[:], decoded) != len(h) || len(decoded) != len(h) {
		return Hash{}, errNotHash
	}
	return h, nil
}

// Credential identifies the tenant of a stream by a token or the name of a certificate.
type Credential struct {
	hash Hash
	name string // of the certificate; empty if it is a token
}

// known is a token of the table.
type known struct {
	expires time.Time // zero for never
	tenant  *Tenant
}

func (k known) expired(now time.Time) bool { return !k.expires.IsZero() && !now.Before(k.expires) }
