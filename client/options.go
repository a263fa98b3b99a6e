package client

import (
	"crypto/tls"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// DefaultMaxMessageBytes is the largest message sent unless
// [WithMaxMessageBytes] says otherwise: 1 MiB, a quarter of what gRPC servers
// accept by default, since a server holds a message whole, once for each upload.
const DefaultMaxMessageBytes = 1 << 20

// DefaultMaxAttempts is how many streams in a row may bring nothing further
// unless [WithMaxAttempts] says otherwise. With the default back-off they take
// about 40 seconds where the server fails at once.
const DefaultMaxAttempts = 10

// Option changes a setting of a [Client].
type Option func(*settings)

type settings struct {
	maxMessageBytes int
	credentials     credentials.TransportCredentials
	serverName      string // empty: the target's
	token           TokenSource
	plaintextToken  bool
	dialOptions     []grpc.DialOption
	compression     string // empty: none

	withoutResume bool
	maxAttempts   int
	backoff       backoffRange
	onRetry       func(RetryEvent)
}

func newSettings(options []Option) settings {
	s := settings{
		maxMessageBytes: DefaultMaxMessageBytes,
		maxAttempts:     DefaultMaxAttempts,
		backoff:         backoffRange{first: DefaultFirstBackoff, most: DefaultMaxBackoff},
		onRetry:         func(RetryEvent) {},
	}
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

// WithoutResume has [Client.UploadScopes] send one stream and return its
// failure, for a sequence that can be ranged over only once, such as one that
// reads a pipe. It does not concern an [Uploader].
func WithoutResume() Option {
	return func(s *settings) { s.withoutResume = true }
}

// WithMaxAttempts limits how many streams in a row may fail without any scope
// accepted before the last failure is returned; the default, also chosen by
// n <= 0, is [DefaultMaxAttempts]. For [Client.UploadScopes] it counts all
// failures; an [Uploader] counts those only of which it is in doubt that they
// pass, see [NewUploader].
func WithMaxAttempts(n int) Option {
	return func(s *settings) {
		if n <= 0 {
			n = DefaultMaxAttempts
		}
		s.maxAttempts = n
	}
}

// WithBackoff says how long is waited before the next stream after a failure: a
// random time between 0 and a limit (full jitter) that begins at first and doubles with each
// failure that brought nothing further, up to most. What a server's
// RetryInfo asks for is waited before that. Where first or most is not positive,
// [DefaultFirstBackoff] or [DefaultMaxBackoff] is taken.
func WithBackoff(first, most time.Duration) Option {
	return func(s *settings) {
		if first <= 0 {
			first = DefaultFirstBackoff
		}
		if most <= 0 {
			most = DefaultMaxBackoff
		}
		s.backoff = backoffRange{first: first, most: most}
	}
}

// WithOnRetry has observe called before each wait for another attempt, by
// [Client.UploadScopes] and by each [Uploader], on the goroutine that then waits:
// with a client that sends several uploads at once, by several at once.
func WithOnRetry(observe func(RetryEvent)) Option {
	return func(s *settings) {
		if observe != nil {
			s.onRetry = observe
		}
	}
}

// WithCompression has messages compressed on the wire by the compressor of that
// name: "gzip" or "zstd" of package client/compression, which the program must
// import, or another that is registered with gRPC. A name that isn't is an input
// error of each upload; one that the server does not know ends it with UNIMPLEMENTED.
// The empty name, the default, sends messages as they are, which is best where the
// link is fast: docs/tracers.md has the figures.
func WithCompression(name string) Option {
	return func(s *settings) { s.compression = name }
}

// WithTransportCredentials says how [Dial] secures the connection. Plaintext
// over a network that is trusted takes insecure.NewCredentials() of
// google.golang.org/grpc/credentials/insecure.
func WithTransportCredentials(c credentials.TransportCredentials) Option {
	return func(s *settings) { s.credentials = c }
}

// WithTLS has [Dial] secure the connection by TLS, as the configuration says, also
// to a target on this host. A ServerName in it is the host that a server's
// certificate must be for, and the authority that calls name; without it that is
// the host of the target. The configuration must not be changed any more.
func WithTLS(config *tls.Config) Option {
	return func(s *settings) {
		s.credentials, s.serverName = credentials.NewTLS(config), config.ServerName
	}
}

// WithDialOptions gives [Dial] further options for the connection: interceptors,
// keepalive, credentials per call. They come after the client's own and so win
// over them. Given several times, all of them count.
//
// A stream interceptor sees the scopes that an [Uploader] sends as marshalled
// bytes, in a type of this package.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dialOptions = append(s.dialOptions, options...) }
}

// callOptions are for each stream.
func (s settings) callOptions() []grpc.CallOption {
	options := []grpc.CallOption{withoutReplay}
	if s.compression != "" {
		options = append(options, grpc.UseCompressor(s.compression))
	}
	if s.token != nil {
		options = append(options, grpc.PerRPCCredentials(bearer{source: s.token, plaintext: s.plaintextToken}))
	}
	return options
}
