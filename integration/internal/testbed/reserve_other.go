//go:build !linux

package testbed

import "testing"

// ReserveAddress returns an address of 127.0.0.1 without a listener. Another process may
// get it: it can be reserved only on Linux.
func ReserveAddress(tb testing.TB) string {
	tb.Helper()
	listener := Listen(tb, "tcp", "127.0.0.1:0")
	_ = listener.Close()
	return listener.Addr().String()
}
