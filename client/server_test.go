package client_test

import (
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver/manual"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/client/clienttest"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/grpctest"
	"github.com/scopegate/scopegate/integration/leak"
)

func TestMain(m *testing.M) {
	leak.Verify(m)
}

type serverStream = grpc.ClientStreamingServer[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse]

// database is a server with a custom handler for an upload, for answers that the real
// server does not give.
type database struct {
	symdbv1.UnimplementedSymbolDatabaseServiceServer

	handle func(serverStream) error
}

func (d database) UploadScopes(stream serverStream) error { return d.handle(stream) }

// serve serves handle on a free loopback port until the test ends, and returns
// a client of it.
func serve(t *testing.T, handle func(serverStream) error) *client.Client {
	t.Helper()
	listener := listen(t)
	serveOn(t, listener, handle)
	return dialAny(t, []string{listener.Addr().String()})
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func serveOn(t *testing.T, listener net.Listener, handle func(serverStream) error, options ...grpc.ServerOption) {
	t.Helper()
	server := grpc.NewServer(append(options, grpc.StaticStreamWindowSize(64<<10), grpc.StaticConnWindowSize(64<<10))...)
	symdbv1.RegisterSymbolDatabaseServiceServer(server, database{handle: handle})
	grpctest.ServeOn(t, server, listener)
}

func dialAny(t *testing.T, targets []string, options ...client.Option) *client.Client {
	t.Helper()
	c, err := client.DialAny(targets, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return c
}

// requireUnfinished stops a server, and fails the test if an upload looks complete.
func requireUnfinished(t *testing.T, s *clienttest.Server) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for _, upload := range s.Uploads() {
		if upload.Final {
			t.Errorf("upload %s of %d scopes is final, want none to be", upload.ID, len(upload.Scopes))
		}
	}
}

func TestNewLeavesConnection(t *testing.T) {
	t.Parallel()
	s := clienttest.New(t)
	conn, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })

	for range 2 {
		c := newClient(t, conn)
		if _, err := c.Upload(t.Context(), metadata(), sequence(scope("a"))); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDial(t *testing.T) {
	t.Parallel()
	s := clienttest.New(t)
	called := false
	c := s.Dial(t,
		client.WithTransportCredentials(insecure.NewCredentials()),
		client.WithDialOptions(grpc.WithUserAgent("scopegate-test")),
		client.WithDialOptions(grpc.WithDefaultCallOptions(grpc.OnFinish(func(error) { called = true }))),
	)
	if _, err := c.Upload(t.Context(), metadata(), sequence(scope("a"))); err != nil {
		t.Fatal(err)
	}
	if !called {
		t.Error("WithDialOptions had no effect")
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

// A target that gRPC would try forever is refused at once.
func TestDialRefusesTargets(t *testing.T) {
	t.Parallel()
	for _, target := range []string{
		"", "foo", "foo:bar", "foo:bar:baz", "foo:0", "foo:65536", "127.0.0.1", "::1", "[::1]", "http://127.0.0.1:1",
		"https://gate.example:50051", "grpc://gate.example:50051", "u:p@gate.example:50051", "gate.example:50051/path", "a b:1",
	} {
		for _, targets := range [][]string{{target}, {"127.0.0.1:1", target}} {
			if c, err := client.DialAny(targets); err == nil || !strings.Contains(err.Error(), "must be host:port or unix:///path") {
				t.Errorf("%q: got %v, %v, want an error that says what a target is", targets, c, err)
			}
		}
	}
	for _, target := range []string{
		"foo:1", ":50051", "[::1]:50051", "unix:///run/s", "unix:s", "unix-abstract:s", "dns:///gate.example:50051",
		"dns:gate.example", "dns://8.8.8.8/gate.example", "passthrough:///anything",
	} {
		c, err := client.Dial(target)
		if err != nil {
			t.Errorf("%q: %v", target, err)
			continue
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	own := manual.NewBuilderWithScheme("own")
	c, err := client.Dial("own:///foo", client.WithDialOptions(grpc.WithResolvers(own)))
	if err != nil {
		t.Fatalf("the target of a resolver: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestDialRefusesOptions(t *testing.T) {
	t.Parallel()
	c, err := client.Dial("localhost:1", client.WithDialOptions(grpc.WithDefaultServiceConfig("{")))
	if err == nil {
		_ = c.Close()
		t.Error("Dial took a service config that is no JSON")
	}
}
