package server

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/scopegate/scopegate/integration/leak"
	"github.com/scopegate/scopegate/server/internal/tenant"
)

func TestMain(m *testing.M) { leak.Verify(m) }

// listen returns a listener at a port of its own.
func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// serve has a server serve, and returns where. It is shut down by stop, or when the
// test ends.
func serve(t *testing.T, s *Server) (address string, stop func()) {
	t.Helper()
	listener := listen(t)
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	stop = sync.OnceFunc(func() {
		if err := errors.Join(s.Shutdown(context.WithoutCancel(t.Context())), <-served); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return listener.Addr().String(), stop
}

// dial returns a connection in plain text, which is closed when the test ends.
func dial(t *testing.T, address string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// writeTenants writes a file of tenants, with the hash of "token" in place of %HASH%.
func writeTenants(t *testing.T, path, content string) {
	t.Helper()
	content = strings.ReplaceAll(content, "%HASH%", tenant.HashOf("token").String())
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
