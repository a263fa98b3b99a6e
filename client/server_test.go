package client_test

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/leak"
)

func TestMain(m *testing.M) {
	leak.Verify(m)
}

type serverStream = grpc.ClientStreamingServer[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse]

// database is a server whose handle is the whole of an upload.
type database struct {
	symdbv1.UnimplementedSymbolDatabaseServiceServer

	handle func(serverStream) error
}

func (d database) UploadScopes(stream serverStream) error { return d.handle(stream) }

// serve serves handle on a free loopback port until the test ends, and returns
// a client of it.
func serve(t *testing.T, handle func(serverStream) error, options ...client.Option) *client.Client {
	t.Helper()
	listener := listen(t)
	serveOn(t, listener, handle)
	return dial(t, listener.Addr().String(), options...)
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
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

// serveUnix is serve on a socket, and returns where.
func serveUnix(t *testing.T, handle func(serverStream) error) (target string) {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, listener, handle)
	return "unix://" + listener.Addr().String()
}

func dial(t *testing.T, target string, options ...client.Option) *client.Client {
	t.Helper()
	c, err := client.Dial(target, options...)
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

func dialAny(t *testing.T, targets []string, options ...client.Option) *client.Client {
	t.Helper()
	c, err := client.DialAny(targets, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// record reads uploads to their end. What it has got of one, and how the stream
// ended, goes to the channel when it is over.
type record struct {
	metadata *symdbv1.UploadMetadata
	scopes   []*symdbv1.Scope
	bytes    []int
	end      error
}

func recorder() (handle func(serverStream) error, records chan record) {
	records = make(chan record, 1)
	return func(stream serverStream) error {
		var got record
		defer func() { records <- got }()
		for {
			request, err := stream.Recv()
			if err != nil {
				got.end = err
				if !errors.Is(err, io.EOF) {
					return err
				}
				return stream.SendAndClose(&symdbv1.UploadScopesResponse{
					UploadId:   got.metadata.GetUploadId(),
					ScopeCount: int64(len(got.scopes)),
					BatchCount: 1,
				})
			}
			if metadata := request.GetMetadata(); metadata != nil {
				got.metadata = metadata
				continue
			}
			got.scopes = append(got.scopes, request.GetScope())
			got.bytes = append(got.bytes, proto.Size(request))
		}
	}, records
}

func TestNewLeavesConnection(t *testing.T) {
	t.Parallel()
	handle, records := recorder()
	target := serveUnix(t, handle)
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })

	for range 2 {
		c := client.New(conn)
		if _, err := c.UploadScopes(t.Context(), metadata(), sequence(scope("a"))); err != nil {
			t.Fatal(err)
		}
		<-records
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDial(t *testing.T) {
	t.Parallel()
	handle, records := recorder()
	target := serveUnix(t, handle)
	called := false
	c := dial(t, target,
		client.WithTransportCredentials(insecure.NewCredentials()),
		client.WithDialOptions(grpc.WithUserAgent("scopegate-test")),
		client.WithDialOptions(grpc.WithDefaultCallOptions(grpc.OnFinish(func(error) { called = true }))),
	)
	if _, err := c.UploadScopes(t.Context(), metadata(), sequence(scope("a"))); err != nil {
		t.Fatal(err)
	}
	<-records
	if !called {
		t.Error("WithDialOptions had no effect")
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
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
