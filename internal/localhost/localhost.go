// Package localhost decides which connections need no TLS, for package client and the
// commands.
package localhost

import (
	"net"
	"net/netip"
	"strings"
)

// Has reports whether a target, which is a gRPC name, is on this host: a unix socket,
// localhost or a loopback address.
func Has(target string) bool {
	if strings.HasPrefix(target, "unix:") || strings.HasPrefix(target, "unix-abstract:") {
		return true
	}
	endpoint := target
	for _, scheme := range []string{"dns:", "passthrough:"} {
		if rest, ok := strings.CutPrefix(target, scheme); ok {
			endpoint = rest[strings.LastIndexByte(rest, '/')+1:]
		}
	}
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		host = strings.Trim(endpoint, "[]")
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}
