package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// authorized returns a handler that records the authorization of each stream, and accepts
// its messages.
func authorized() (handle func(serverStream) error, shown chan []string) {
	shown = make(chan []string, 10)
	return func(stream serverStream) error {
		shown <- grpcmetadata.ValueFromIncomingContext(stream.Context(), "authorization")
		for {
			switch _, err := stream.Recv(); {
			case errors.Is(err, io.EOF):
				return stream.SendAndClose(&symdbv1.UploadScopesResponse{})
			case err != nil:
				return err
			}
		}
	}, shown
}

func TestWithToken(t *testing.T) {
	t.Parallel()
	handle, shown := authorized()
	listener := listen(t)
	serveOn(t, listener, handle)
	address := listener.Addr().String()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	// By a name that is not this host's.
	elsewhere := []client.Option{
		client.WithTransportCredentials(insecure.NewCredentials()),
		client.WithDialOptions(grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		})),
	}
	const remote = "passthrough:///gate.example:50051"
	token := client.WithToken("the-token")
	for name, test := range map[string]struct {
		client *client.Client
		want   string // empty: nothing is sent
	}{
		"this host":               {dialAny(t, []string{address}, token), "Bearer the-token"},
		"elsewhere":               {dialAny(t, []string{remote}, append(elsewhere, token)...), ""},
		"elsewhere, as is wanted": {dialAny(t, []string{remote}, append(elsewhere, token, client.WithPlaintextToken())...), "Bearer the-token"},
		"one of two elsewhere":    {dialAny(t, []string{address, "gate.example:1"}, append(elsewhere, token)...), ""},
		"any connection":          {newClient(t, conn, token), ""},
		"any, as is wanted":       {newClient(t, conn, token, client.WithPlaintextToken()), "Bearer the-token"},
		"header in the token": {dialAny(t, []string{address}, client.WithTokenSource(func(context.Context) (string, error) {
			return "a\r\nb: c", nil
		})), ""},
		"no token to be had": {dialAny(t, []string{address}, client.WithTokenSource(func(context.Context) (string, error) {
			return "", errors.New("no such file")
		})), ""},
	} {
		_, err := test.client.Upload(t.Context(), metadata(), sequence(scope("a")))
		if test.want == "" {
			if status.Code(err) != codes.Unauthenticated || errors.Is(err, client.ErrUpload) || strings.Contains(err.Error(), "the-token") {
				t.Errorf("%s: %v, want UNAUTHENTICATED, for good", name, err)
			}
			if len(shown) != 0 {
				t.Errorf("%s: %v was sent, want 0", name, <-shown)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := <-shown; !slices.Equal(got, []string{test.want}) {
			t.Errorf("%s: %v was shown, want %s", name, got, test.want)
		}
	}
}

// TestTokenOverTLS: the token is sent to another host, and requested anew for each stream,
// also by an Uploader.
func TestTokenOverTLS(t *testing.T) {
	t.Parallel()
	peer := httptest.NewUnstartedServer(nil)
	peer.StartTLS()
	certificate := peer.TLS.Certificates[0]
	roots := x509.NewCertPool()
	roots.AddCert(peer.Certificate())
	peer.Close()
	handle, shown := authorized()
	listener := listen(t)
	serveOn(t, listener, handle, grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13,
	})))
	count := 0
	c := dialAny(t, []string{"passthrough:///example.com:443"},
		client.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS13})),
		client.WithDialOptions(grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
		})),
		client.WithTokenSource(func(context.Context) (string, error) {
			count++
			return strings.Repeat("t", count), nil
		}))
	for _, want := range []string{"Bearer t", "Bearer tt"} {
		if _, err := c.Upload(t.Context(), metadata(), sequence(scope("a"))); err != nil {
			t.Fatal(err)
		}
		if got := <-shown; !slices.Equal(got, []string{want}) {
			t.Errorf("%v was shown, want %s", got, want)
		}
	}
	uploader, err := c.NewUploader(t.Context(), metadata())
	if err != nil {
		t.Fatal(err)
	}
	if err := uploader.Add(t.Context(), scope("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := uploader.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-shown; !slices.Equal(got, []string{"Bearer ttt"}) {
		t.Errorf("%v was shown by an uploader, want Bearer ttt", got)
	}
}
