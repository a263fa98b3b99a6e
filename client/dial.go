package client

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/net/http/httpproxy"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/scopegate/scopegate/internal/localhost"
)

// Dial returns a client with its own connection to target, which [Client.Close] closes. The
// target is a gRPC name: "host:port", "dns:///host:port", "unix:///path/to/socket", or
// another with the scheme of a resolver. It is not an HTTP URL.
// The client connects in the background, and reconnects after each loss, so Dial fails only
// on an invalid target or option.
//
// By default the connection is plaintext to a target on this host (a unix socket,
// "localhost" or a loopback address), and otherwise TLS with the system's root
// certificates; see [WithTransportCredentials]. Connections to other hosts use the proxy in
// HTTPS_PROXY, if it is set; Dial fails if its value is not a proxy address.
func Dial(target string, options ...Option) (*Client, error) {
	return dial(target, []string{target}, nil, options)
}

// DialAny returns a client of several servers. Each stream goes to the next server that
// is connected, so that an upload that fails on one server resumes on another. A target
// is "host:port" or "unix:///path/to/socket". With a single target, DialAny is [Dial].
//
// By default the connections are plaintext if all targets are on this host, and otherwise
// TLS. Each server's certificate must be for the host of its target. All calls carry the
// first target in their header :authority. A ServerName in [WithTLS] replaces both names. A
// service config in [WithDialOptions] replaces the load balancing.
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

// resolveTarget returns the address of target. A host's name is resolved whenever gRPC
// connects.
func resolveTarget(target string) (resolver.Address, error) {
	if strings.HasPrefix(target, "unix:") || strings.HasPrefix(target, "unix-abstract:") {
		return resolver.Address{Addr: target, ServerName: "localhost"}, nil
	}
	for _, scheme := range []string{"dns:///", "passthrough:///"} {
		target = strings.TrimPrefix(target, scheme)
	}
	if err := checkAddress(target); err != nil {
		return resolver.Address{}, fmt.Errorf("dial %q: %w", target, err)
	}
	return resolver.Address{Addr: target, ServerName: target}, nil
}

// checkAddress fails unless an address is host:port. gRPC accepts any text, and retries
// forever.
func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if n, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil || n == 0 ||
		strings.ContainsFunc(host, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("/@?#", r) }) {
		return errors.New("the target must be host:port or unix:///path, such as 127.0.0.1:50051")
	}
	return nil
}

// connecting has a short back-off, because uploads have their own.
var connecting = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second},
	MinConnectTimeout: 10 * time.Second,
}

// dial connects to target, the gRPC name that stands for targets.
func dial(target string, targets []string, dialOptions []grpc.DialOption, options []Option) (*Client, error) {
	if !allLocal(targets) {
		if err := checkProxy(); err != nil {
			return nil, fmt.Errorf("dial %q: %w", target, err)
		}
	}
	s, err := defaultSettings().with(inDial, options)
	if err != nil {
		return nil, fmt.Errorf("dial %q: %w", target, err)
	}
	if s.credentials == nil {
		s.credentials = defaultCredentials(targets...)
	}
	dialOptions = append(dialOptions, grpc.WithTransportCredentials(s.credentials), grpc.WithConnectParams(connecting))
	if s.serverName != "" {
		dialOptions = append(dialOptions, grpc.WithAuthority(s.serverName))
	}
	conn, err := grpc.NewClient(target, append(dialOptions, s.dialOptions...)...)
	if err != nil {
		return nil, fmt.Errorf("dial %q: %w", target, err)
	}
	// Without the scheme of a resolver, gRPC resolves a name by DNS.
	if address, byDNS := strings.CutPrefix(conn.CanonicalTarget(), "dns:///"); byDNS && !strings.HasPrefix(target, "dns:") {
		if err := checkAddress(address); err != nil {
			return nil, errors.Join(fmt.Errorf("dial %q: %w", target, err), conn.Close())
		}
	}
	s.plaintextToken = s.plaintextToken || allLocal(targets) // the token does not leave this host
	c := newClient(conn, s)
	c.closeConn = sync.OnceValue(conn.Close)
	return c, nil
}

// WithTransportCredentials sets how the connection is secured. For plaintext over a
// trusted network, use insecure.NewCredentials() of
// google.golang.org/grpc/credentials/insecure.
func WithTransportCredentials(c credentials.TransportCredentials) Option {
	return Option{"WithTransportCredentials", inDial, given(c != nil), func(s *settings) { s.credentials = c }}
}

// WithTLS uses TLS with the configuration, even to a target on this host. A ServerName in
// it is the host that a server's certificate must be for, and the header :authority of
// calls; by default both are of the target. The configuration must not be changed
// afterward.
func WithTLS(config *tls.Config) Option {
	return Option{"WithTLS", inDial, given(config != nil), func(s *settings) {
		s.credentials, s.serverName = credentials.NewTLS(config), config.ServerName
	}}
}

// WithDialOptions adds gRPC dial options, such as interceptors, keepalive and credentials
// per call. They override the client's own. If it is used several times, all options apply.
//
// A stream interceptor sees the scopes that an [Uploader] sends as marshaled bytes, in an
// unexported type.
func WithDialOptions(options ...grpc.DialOption) Option {
	hasNil := slices.ContainsFunc(options, func(o grpc.DialOption) bool { return o == nil })
	return Option{"WithDialOptions", inDial, given(!hasNil), func(s *settings) {
		s.dialOptions = append(s.dialOptions, options...)
	}}
}

func defaultCredentials(targets ...string) credentials.TransportCredentials {
	if allLocal(targets) {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(nil)
}

func allLocal(targets []string) bool {
	return !slices.ContainsFunc(targets, func(target string) bool { return !localhost.Has(target) })
}

// checkProxy fails if the variable for the proxy is not a proxy's address, because gRPC
// would then connect without the proxy. The error does not contain the value, which may
// hold a password.
func checkProxy() error {
	env := httpproxy.Config{HTTPSProxy: cmp.Or(os.Getenv("HTTPS_PROXY"), os.Getenv("https_proxy"))}
	if env.HTTPSProxy == "" {
		return nil
	}
	proxy, err := env.ProxyFunc()(&url.URL{Scheme: "https", Host: "server.invalid"})
	if err != nil || proxy == nil || proxy.Hostname() == "" || strings.HasSuffix(proxy.Host, ":") {
		name := "HTTPS_PROXY"
		if os.Getenv(name) == "" {
			name = "https_proxy"
		}
		return errors.New(name + " is not the address of a proxy: it must be host:port or http://host:port; " +
			"a % in its user or password is written %25")
	}
	return nil
}
