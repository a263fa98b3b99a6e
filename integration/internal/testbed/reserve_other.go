//go:build !linux

package testbed

import "testing"

// ReserveAddress returns an address of 127.0.0.1 at which nobody listens. Somebody
// else may get it: only for Linux is there a way to keep it.
func ReserveAddress(tb testing.TB) string {
	tb.Helper()
	listener := Listen(tb, "tcp", "127.0.0.1:0")
	_ = listener.Close()
	return listener.Addr().String()
}
