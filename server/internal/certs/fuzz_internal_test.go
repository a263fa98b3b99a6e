package certs

import (
	"testing"
	"time"

	"github.com/scopegate/scopegate/integration/pki"
)

// FuzzParse reads any bytes as each of the files. What is taken must hold
// what its place needs.
func FuzzParse(f *testing.F) {
	authority := pki.NewAuthority(f, "one")
	pair := authority.Issue(f, "server")
	f.Add(pair.Cert, pair.Key, authority.PEM)
	f.Add(append(pair.Cert, authority.PEM...), pair.Key, append(authority.PEM, pair.Cert...))
	f.Add(pair.Key, pair.Cert, pair.Key)
	f.Add(pair.Cert[:100], pair.Key[:50], []byte("-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"))
	now := time.Now()
	files := Files{Cert: "cert", Key: "key", CA: "ca"}
	f.Fuzz(func(t *testing.T, cert, key, ca []byte) {
		got, err := files.parse(contents{cert: string(cert), key: string(key), ca: string(ca)}, now)
		if err != nil {
			return
		}
		switch {
		case got.Certificate == nil || got.Certificate.Leaf == nil || got.Certificate.PrivateKey == nil:
			t.Error("there is no certificate with a key")
		case now.Before(got.Certificate.Leaf.NotBefore) || now.After(got.Certificate.Leaf.NotAfter):
			t.Error("the certificate is not valid")
		case got.Authorities == nil:
			t.Error("there is no authority")
		}
	})
}
