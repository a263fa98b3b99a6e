package client

import (
	"crypto/tls"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// DefaultMaxMessageBytes is the default of [WithMaxMessageBytes]: 1 MiB, a quarter of
// what gRPC servers accept by default, because a server holds one message of each upload.
const DefaultMaxMessageBytes = 1 << 20

// DefaultMaxAttempts is the default of [WithMaxAttempts]. With the default back-off, so
// many attempts take about 40 seconds if the server fails at once.
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

// WithMaxMessageBytes limits a message to n bytes of protobuf. The default, also for
// n <= 0, is [DefaultMaxMessageBytes]. A larger scope is sent as several, each with some
// of its children; the backend merges them by scope_type and name. A scope without
// children to split at must fit, see [ScopeTooLargeError]. n may be raised to the
// server's own limit, by default 4 MiB, at the cost of memory on both sides.
func WithMaxMessageBytes(n int) Option {
	return func(s *settings) {
		if n <= 0 {
			n = DefaultMaxMessageBytes
		}
		s.maxMessageBytes = n
	}
}

// WithoutResume makes [Client.UploadScopes] send a single stream and return its failure,
// for a sequence that can be ranged over only once, such as one that reads a pipe. It has
// no effect on an [Uploader].
func WithoutResume() Option {
	return func(s *settings) { s.withoutResume = true }
}

// WithMaxAttempts limits how many streams in a row may fail without a scope accepted. The
// default, also for n <= 0, is [DefaultMaxAttempts]. [Client.UploadScopes] counts all
// failures; an [Uploader] only those that may be permanent, see [NewUploader].
func WithMaxAttempts(n int) Option {
	return func(s *settings) {
		if n <= 0 {
			n = DefaultMaxAttempts
		}
		s.maxAttempts = n
	}
}

// WithBackoff sets the wait before the next stream after a failure: a random time up to a
// limit (full jitter), which begins at first and doubles with each failure without
// progress, up to most. The delay of a server's RetryInfo is added. If first or most is
// not positive, it is [DefaultFirstBackoff] or [DefaultMaxBackoff].
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

// WithOnRetry sets a function that [Client.UploadScopes] and each [Uploader] call before
// they wait for another attempt, on the goroutine that waits. Concurrent uploads call it
// concurrently.
func WithOnRetry(observe func(RetryEvent)) Option {
	return func(s *settings) {
		if observe != nil {
			s.onRetry = observe
		}
	}
}

// WithCompression compresses messages on the wire by the named compressor: "gzip" or
// "zstd" of package client/compression, which the program must import, or another one
// registered with gRPC. An unregistered name is an input error of each upload; one that
// the server does not know fails it with UNIMPLEMENTED. The empty name, the default, does
// not compress, which is best on a fast link; docs/tracers.md has measurements.
func WithCompression(name string) Option {
	return func(s *settings) { s.compression = name }
}

// WithTransportCredentials sets how [Dial] secures the connection. For plaintext over a
// trusted network, use insecure.NewCredentials() of
// google.golang.org/grpc/credentials/insecure.
func WithTransportCredentials(c credentials.TransportCredentials) Option {
	return func(s *settings) { s.credentials = c }
}

// WithTLS makes [Dial] use TLS with the configuration, even to a target on this host. A
// ServerName in it is the host that a server's certificate must be for, and the authority
// of calls; by default that is the host of the target. The configuration must not be
// changed afterward.
func WithTLS(config *tls.Config) Option {
	return func(s *settings) {
		s.credentials, s.serverName = credentials.NewTLS(config), config.ServerName
	}
}

// WithDialOptions adds options to [Dial], such as interceptors, keepalive and credentials
// per call. They override the client's own. If it is used several times, all options
// apply.
//
// A stream interceptor sees the scopes that an [Uploader] sends as marshaled bytes, in an
// unexported type.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dialOptions = append(s.dialOptions, options...) }
}

// callOptions returns the options of each stream.
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
