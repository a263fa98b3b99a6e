package access

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/grpctest"
	"github.com/scopegate/scopegate/integration/pki"
)

// TestCertificateOverTLS has clients show certificates in real handshakes: only one
// of the right authority, with a tenant's name, is let in.
func TestCertificateOverTLS(t *testing.T) {
	t.Parallel()
	a, _, _ := openTestAccess(t)
	authenticate := func(ctx context.Context) (context.Context, error) {
		ctx, err := a.Authenticate(ctx)
		if errors.Is(err, ErrUnauthenticated) {
			err = status.Error(codes.Unauthenticated, err.Error())
		}
		return ctx, err
	}
	// Of one name, as a client shows no certificate of an authority that the server does not name.
	ours, theirs := pki.NewAuthority(t, "authority"), pki.NewAuthority(t, "authority")
	certificate := func(by *pki.Authority, named pki.Change) []tls.Certificate {
		return []tls.Certificate{by.Issue(t, "peer", named).TLS(t)}
	}
	for name, test := range map[string]struct {
		show   []tls.Certificate
		verify tls.ClientAuthType
		want   codes.Code
	}{
		"tenant's URI": {
			certificate(ours, func(template *x509.Certificate) {
				template.URIs = []*url.URL{{Scheme: "spiffe", Host: "corp", Path: "/shop"}}
			}),
			tls.VerifyClientCertIfGiven, codes.Unimplemented, // let in, to a service that does nothing
		},
		"nobody's name": {
			certificate(ours, pki.ForHost("other.example.com")),
			tls.VerifyClientCertIfGiven, codes.Unauthenticated,
		},
		"no certificate": {nil, tls.VerifyClientCertIfGiven, codes.Unauthenticated},
		"another authority, not verified": {
			certificate(theirs, pki.ForHost("shop.example.com")),
			tls.RequireAnyClientCert, codes.Unauthenticated,
		},
		"another authority": {
			certificate(theirs, pki.ForHost("shop.example.com")),
			tls.RequireAndVerifyClientCert, codes.Unavailable, // the handshake fails
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := grpc.NewServer(
				grpc.Creds(credentials.NewTLS(&tls.Config{
					Certificates: certificate(ours, pki.ForHost("gate.example.com")),
					ClientAuth:   test.verify, ClientCAs: ours.Pool(), MinVersion: tls.VersionTLS13,
				})),
				grpc.ChainStreamInterceptor(auth.StreamServerInterceptor(authenticate)))
			symdbv1.RegisterSymbolDatabaseServiceServer(server, symdbv1.UnimplementedSymbolDatabaseServiceServer{})
			conn, err := grpc.NewClient(grpctest.Serve(t, server), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
				Certificates: test.show, RootCAs: ours.Pool(), ServerName: "gate.example.com", MinVersion: tls.VersionTLS13,
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
		})
	}
}
