// Package grpctest serves the gRPC servers of tests.
package grpctest

import (
	"errors"
	"net"
	"testing"

	"google.golang.org/grpc"
)

// Serve serves on a free loopback port until the test ends, and returns the address.
func Serve(tb testing.TB, server *grpc.Server) (address string) {
	tb.Helper()
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ServeOn(tb, server, listener)
	return listener.Addr().String()
}

// ServeOn serves on a listener until the test ends. The test may stop the server earlier.
func ServeOn(tb testing.TB, server *grpc.Server, listener net.Listener) {
	tb.Helper()
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	tb.Cleanup(func() {
		server.Stop()
		// A test can end before the goroutine above calls Serve.
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			tb.Errorf("serve %s: %v", listener.Addr(), err)
		}
	})
}
