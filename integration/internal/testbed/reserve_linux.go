package testbed

import (
	"net"
	"strconv"
	"syscall"
	"testing"
)

// ReserveAddress returns an address of 127.0.0.1 that the test can listen on, and that
// refuses connections until then. Until the test ends, a bound socket that does not listen
// keeps the kernel from giving the port to others. Listening on the address succeeds
// because of SO_REUSEADDR, which package net sets too.
func ReserveAddress(tb testing.TB) string {
	tb.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatalf("reserve an address: %v", err)
	}
	tb.Cleanup(func() { _ = syscall.Close(socket) })
	if err := syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		tb.Fatalf("reserve an address: %v", err)
	}
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		tb.Fatalf("reserve an address: %v", err)
	}
	name, err := syscall.Getsockname(socket)
	bound, ok := name.(*syscall.SockaddrInet4)
	if err != nil || !ok {
		tb.Fatalf("reserve an address: %v", err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(bound.Port))
}
