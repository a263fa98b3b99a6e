// Package pki makes certificates for tests. Start at [NewAuthority].
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	// PEM is the authority's own certificate.
	PEM []byte
}

// Pair is a certificate and its key, as files hold them.
type Pair struct {
	Cert, Key []byte
	// Serial is the certificate's unique number.
	Serial *big.Int
}

// Change changes a certificate. By default it is for servers and clients at "localhost",
// 127.0.0.1 and ::1, and valid from an hour ago until a day from now.
type Change func(*x509.Certificate)

// NewAuthority returns an authority of that name, valid for ten years.
func NewAuthority(tb testing.TB, name string) *Authority {
	tb.Helper()
	key := newKey(tb)
	template := newTemplate(tb, name)
	Valid(-time.Hour, 3650*24*time.Hour)(template)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	template.DNSNames, template.IPAddresses, template.ExtKeyUsage = nil, nil, nil
	certificate, block := sign(tb, template, template, key, key)
	return &Authority{certificate: certificate, key: key, PEM: block}
}

// Issue returns a certificate of that name.
func (a *Authority) Issue(tb testing.TB, name string, changes ...Change) Pair {
	tb.Helper()
	key := newKey(tb)
	template := newTemplate(tb, name)
	for _, change := range changes {
		change(template)
	}
	_, block := sign(tb, template, a.certificate, key, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	return Pair{
		Cert: block, Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), Serial: template.SerialNumber,
	}
}

// Pool returns a pool with only the authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// TLS returns the pair for crypto/tls.
func (p Pair) TLS(tb testing.TB) tls.Certificate {
	tb.Helper()
	pair, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil {
		tb.Fatal(err)
	}
	return pair
}

// Valid makes a certificate valid between two times relative to now.
func Valid(begin, end time.Duration) Change {
	return func(template *x509.Certificate) {
		now := time.Now()
		template.NotBefore, template.NotAfter = now.Add(begin), now.Add(end)
	}
}

// ForHost makes a certificate valid for only that host.
func ForHost(name string) Change {
	return func(template *x509.Certificate) {
		template.DNSNames, template.IPAddresses = []string{name}, nil
	}
}

// Write writes a file of that name to dir atomically, and returns its path.
func Write(tb testing.TB, dir, name string, content []byte) string {
	tb.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		tb.Fatal(err)
	}
	return path
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

const serialBits = 100

func newTemplate(tb testing.TB, name string) *x509.Certificate {
	tb.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	Valid(-time.Hour, 24*time.Hour)(template)
	return template
}

func sign(
	tb testing.TB, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey,
) (*x509.Certificate, []byte) {
	tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		tb.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
