package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// authority issues certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	issued := (&authority{certificate: template}).issue(t, template)
	return &authority{certificate: issued.Leaf, key: issued.PrivateKey.(*ecdsa.PrivateKey)} //nolint:errcheck // what issue makes
}

// issue signs a certificate, with the authority's key or, where it has none yet,
// its own.
func (a *authority) issue(t *testing.T, template *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer := a.key
	if signer == nil {
		signer = key
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// TestCertificateOverTLS has clients show certificates in real handshakes: only one
// of the right authority, with a tenant's name, is let in.
func TestCertificateOverTLS(t *testing.T) {
	t.Parallel()
	a, _, _ := openTestAccess(t)
	ours, theirs := newAuthority(t), newAuthority(t)
	for name, test := range map[string]struct {
		show   []tls.Certificate
		verify tls.ClientAuthType
		want   codes.Code
	}{
		"tenant's URI": {
			[]tls.Certificate{ours.issue(t, &x509.Certificate{URIs: []*url.URL{{Scheme: "spiffe", Host: "corp", Path: "/shop"}}})},
			tls.VerifyClientCertIfGiven, codes.Unimplemented, // let in, to a service that does nothing
		},
		"nobody's name": {
			[]tls.Certificate{ours.issue(t, &x509.Certificate{DNSNames: []string{"other.example.com"}})},
			tls.VerifyClientCertIfGiven, codes.Unauthenticated,
		},
		"no certificate": {nil, tls.VerifyClientCertIfGiven, codes.Unauthenticated},
		"another authority, not verified": {
			[]tls.Certificate{theirs.issue(t, &x509.Certificate{DNSNames: []string{"shop.example.com"}})},
			tls.RequireAnyClientCert, codes.Unauthenticated,
		},
		"another authority": {
			[]tls.Certificate{theirs.issue(t, &x509.Certificate{DNSNames: []string{"shop.example.com"}})},
			tls.RequireAndVerifyClientCert, codes.Unavailable, // the handshake fails
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := grpc.NewServer(
				grpc.Creds(credentials.NewTLS(&tls.Config{
					Certificates: []tls.Certificate{ours.issue(t, &x509.Certificate{DNSNames: []string{"gate.example.com"}})},
					ClientAuth:   test.verify, ClientCAs: ours.pool(), MinVersion: tls.VersionTLS13,
				})),
				grpc.ChainStreamInterceptor(auth.StreamServerInterceptor(a.authenticate)))
			symdbv1.RegisterSymbolDatabaseServiceServer(server, symdbv1.UnimplementedSymbolDatabaseServiceServer{})
			listener := listen(t)
			served := make(chan error, 1)
			go func() { served <- server.Serve(listener) }()
			conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
				Certificates: test.show, RootCAs: ours.pool(), ServerName: "gate.example.com", MinVersion: tls.VersionTLS13,
			})))
			if err != nil {
				t.Fatal(err)
			}
			stream, err := symdbv1.NewSymbolDatabaseServiceClient(conn).UploadScopes(t.Context())
			if err == nil {
				_, err = stream.CloseAndRecv()
			}
			if status.Code(err) != test.want {
				t.Errorf("%v, want %v", err, test.want)
			}
			_ = conn.Close()
			server.Stop()
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
	}
}
