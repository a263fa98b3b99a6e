package client

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

// Dial returns a client with a connection of its own to target, which
// [Client.Close] closes. The target is a gRPC name: "host:port",
// "dns:///host:port", "unix:///path/to/socket". Connecting happens in the
// background and again after each loss, so that Dial itself fails only on a
// target or an option that makes no sense.
//
// Unless [WithTransportCredentials] says otherwise, the connection is plaintext
// to a target on this host (a unix socket, "localhost" or a loopback address),
// and TLS with the system's root certificates to any other. That may be reached
// through a proxy, which HTTPS_PROXY names; where the value is none, Dial fails.
func Dial(target string, options ...Option) (*Client, error) {
	return dial(target, []string{target}, nil, options)
}

// DialAny returns a client of several servers: each stream goes to the next one
// that is connected, so that an upload that one server can't finish goes on at
// another. A target is "host:port" or "unix:///path/to/socket"; for one target
// alone DialAny is [Dial], and takes each that Dial takes.
//
// The connections are secured alike: plaintext where all targets are on this
// host, TLS where one is not. Each server shows a certificate for the host of its
// own target, and the authority that calls name is the first target's; with a
// ServerName in [WithTLS], both are that.
// A service config given by [WithDialOptions] replaces the choice of the server.
func DialAny(targets []string, options ...Option) (*Client, error) {
	switch len(targets) {
	case 0:
		return nil, errors.New("dial: no target")
	case 1:
		return Dial(targets[0], options...)
	}
	state := resolver.State{}
	for _, target := range targets {
		address, err := resolveTarget(target)
		if err != nil {
			return nil, err
		}
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{address}})
	}
	servers := manual.NewBuilderWithScheme("scopegate")
	servers.InitialState(state)
	authority := state.Endpoints[0].Addresses[0].ServerName
	return dial("scopegate:///"+authority, targets, []grpc.DialOption{
		grpc.WithResolvers(servers),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`),
	}, options)
}

// resolveTarget leaves a host's name to be looked up at each connecting.
func resolveTarget(target string) (resolver.Address, error) {
	if strings.HasPrefix(target, "unix:") || strings.HasPrefix(target, "unix-abstract:") {
		return resolver.Address{Addr: target, ServerName: "localhost"}, nil
	}
	for _, scheme := range []string{"dns:///", "passthrough:///"} {
		target = strings.TrimPrefix(target, scheme)
	}
	if target == "" || strings.Contains(target, "/") {
		return resolver.Address{}, fmt.Errorf("dial %q: one of several targets must be host:port or unix:///path", target)
	}
	return resolver.Address{Addr: target, ServerName: target}, nil
}

// connecting tries again soon after a server was found gone: how often an upload
// asks is already held back by the client's own back-off.
var connecting = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second},
	MinConnectTimeout: 10 * time.Second,
}

// dial connects to target, by which the targets are meant.
func dial(target string, targets []string, dialOptions []grpc.DialOption, options []Option) (*Client, error) {
	if !allLocal(targets) {
		if err := checkProxy(); err != nil {
			return nil, fmt.Errorf("dial %q: %w", target, err)
		}
	}
	s := newSettings(options)
	secured := s.credentials
	if secured == nil {
		secured = defaultCredentials(targets...)
	}
	dialOptions = append(dialOptions, grpc.WithTransportCredentials(secured), grpc.WithConnectParams(connecting))
	if s.serverName != "" {
		dialOptions = append(dialOptions, grpc.WithAuthority(s.serverName))
	}
	conn, err := grpc.NewClient(target, append(dialOptions, s.dialOptions...)...)
	if err != nil {
		return nil, fmt.Errorf("dial %q: %w", target, err)
	}
	c := New(conn, options...)
	// A token goes unencrypted only to this host.
	c.settings.plaintextToken = c.settings.plaintextToken || allLocal(targets)
	c.closeConn = sync.OnceValue(conn.Close)
	return c, nil
}

func defaultCredentials(targets ...string) credentials.TransportCredentials {
	if allLocal(targets) {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(nil)
}

func allLocal(targets []string) bool {
	return !slices.ContainsFunc(targets, func(target string) bool { return !isLocal(target) })
}

func isLocal(target string) bool {
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
