package testbed

import (
	"net"
	"strconv"
	"syscall"
	"testing"
)

// ReserveAddress returns an address of 127.0.0.1 that refuses connections as long
// as nobody listens at it, and that nobody gets who does not name it, before the test
// ends. A socket that is bound, and does not listen, keeps the kernel from giving
// its port away, and with SO_REUSEADDR, which net sets too, others from being refused.
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
