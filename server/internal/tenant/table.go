package tenant

import (
	"crypto/x509"
	"errors"
	"time"

	"github.com/scopegate/scopegate/server/internal/secret"
)

// Tenant is who uploads, and on what terms. It is immutable.
type Tenant struct {
	// Name is unique in the file.
	Name string
	// Services are the services that it may upload for; nil: any.
	Services *Services
	// Uploads is how many uploads may be in flight; 0: any number.
	Uploads int
	// Bytes is what the uploads in flight may hold in memory together; 0: no limit of its own.
	Bytes int64
	// Intake is where the batches go; nil: to the server's own intake.
	Intake *Intake
	// AdditionalTags is sent with each batch, in place of the server's own tags.
	// Empty: those.
	AdditionalTags string
}

// Intake is a tenant's own intake.
type Intake struct {
	// URL is where batches are posted to.
	URL string
	// APIKey is sent with each batch; zero: none.
	APIKey secret.Secret
	// Connections bounds the connections to the intake; 0: a default.
	Connections int
}

// Table is what a file says. It is immutable, and safe for concurrent use. The nil
// table has no tenant.
type Table struct {
	tenants []*Tenant
	tokens  map[Hash]known
	names   map[string]*Tenant // of certificates
}

// Why a credential was not taken. A client is told the same of each.
var (
	ErrUnknown = errors.New("nobody's credential")
	ErrExpired = errors.New("the token has expired")
)

// Tenants returns all tenants, in the order of the file. The slice must not be
// changed.
func (t *Table) Tenants() []*Tenant { return t.tenants }

// ByToken returns whose token it is, or [ErrUnknown] or [ErrExpired]. What it costs
// does not depend on how many tokens there are. How long it takes may tell something
// of the hashes in the table, but a hash helps nobody to find a token.
func (t *Table) ByToken(token string, now time.Time) (*Tenant, Credential, error) {
	c := Credential{hash: HashOf(token)}
	owner, err := t.Owner(c, now)
	if err != nil {
		return nil, Credential{}, err
	}
	return owner, c, nil
}

// ByCertificate returns whose certificate it is, or [ErrUnknown]. It must be the
// leaf of a chain that was verified. Its names are the URIs and the DNS names that
// it is for (RFC 5280, section 4.2.1.6), and where it has neither the common name
// of its subject; the first that is a tenant's counts.
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

// Owner returns whose credential it is, or [ErrUnknown] or [ErrExpired]: for a
// credential that was found before, in this table or an earlier one.
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
