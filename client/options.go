package client

import (
	"net"
	"net/netip"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// DefaultMaxMessageBytes is the largest message sent unless
// [WithMaxMessageBytes] says otherwise: 1 MiB, a quarter of what gRPC servers
// accept by default, since a server holds a message whole, once for each upload.
const DefaultMaxMessageBytes = 1 << 20

// Option changes a setting of a [Client].
type Option func(*settings)

type settings struct {
	maxMessageBytes int
	credentials     credentials.TransportCredentials
	dialOptions     []grpc.DialOption
}

func newSettings(options []Option) settings {
	s := settings{maxMessageBytes: DefaultMaxMessageBytes}
	for _, option := range options {
		option(&s)
	}
	return s
}

// WithMaxMessageBytes limits a message to n bytes of protobuf; the default, also
// chosen by n <= 0, is [DefaultMaxMessageBytes]. A scope within the limit is
// sent as it is. A larger one is sent as several scopes, each with some of its
// children, which the backend merges by scope_type and name. What has no
// children to split at must fit the limit as a whole; where it does not, see
// [ScopeTooLargeError], n may be raised to the server's own limit (4 MiB unless
// the server is told otherwise), at the cost of memory on both sides.
func WithMaxMessageBytes(n int) Option {
	return func(s *settings) {
		if n <= 0 {
			n = DefaultMaxMessageBytes
		}
		s.maxMessageBytes = n
	}
}

// WithTransportCredentials says how [Dial] secures the connection. Plaintext
// over a network that is trusted takes insecure.NewCredentials() of
// google.golang.org/grpc/credentials/insecure.
func WithTransportCredentials(c credentials.TransportCredentials) Option {
	return func(s *settings) { s.credentials = c }
}

// WithDialOptions gives [Dial] further options for the connection: interceptors,
// keepalive, credentials per call. They come after the client's own and so win
// over them. Given several times, all of them count.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dialOptions = append(s.dialOptions, options...) }
}

func defaultCredentials(target string) credentials.TransportCredentials {
	if isLocal(target) {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(nil)
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
