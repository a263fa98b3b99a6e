package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding"

	"github.com/scopegate/scopegate/client/internal/container"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Defaults of the options with these names.
const (
	// DefaultMaxMessageBytes is 1 MiB, a quarter of what gRPC servers accept by default,
	// because a server holds one message of each upload.
	DefaultMaxMessageBytes = 1 << 20
	// DefaultMaxAttempts takes, with the default back-off, about 40 seconds if the server
	// fails at once.
	DefaultMaxAttempts = 10
	// DefaultFirstBackoff limits the wait after a first failure.
	DefaultFirstBackoff = 200 * time.Millisecond
	// DefaultMaxBackoff limits the wait after any failure.
	DefaultMaxBackoff = 30 * time.Second

	// DefaultThresholdBytes is the size of an Uploader's batch: 1 MiB of protobuf.
	DefaultThresholdBytes = 1 << 20
	// DefaultThresholdAge is as long as a server waits by default for a batch to fill.
	DefaultThresholdAge = 30 * time.Second
	// DefaultMaxHeldBytes is 8 MiB, several batches with the default threshold.
	DefaultMaxHeldBytes = 8 << 20
	// DefaultAttemptTimeout is longer than the 5 minutes for which a server retries a
	// batch by default.
	DefaultAttemptTimeout = 6 * time.Minute
)

// Option is a setting. An option for the client ([Dial], [DialAny], [New]) applies to all
// its uploads, an option for one upload ([Client.Upload], [Client.NewUploader],
// [Client.OpenStream]) to that upload. These functions fail if an option has an invalid
// value, or no effect there.
type Option struct {
	name   string
	places place
	err    error // of the value
	set    func(*settings)
}

// place is where an option may be used.
type place int

const (
	inDial place = 1 << iota
	inNew
	inUpload
	inUploader
	inStream

	inClient   = inDial | inNew
	delivering = inClient | inUpload | inUploader
	everywhere = delivering | inStream
)

func (p place) String() string {
	switch p {
	case inDial:
		return "Dial"
	case inNew:
		return "New"
	case inUpload:
		return "Upload"
	case inUploader:
		return "NewUploader"
	default:
		return "OpenStream"
	}
}

type settings struct {
	// Of the connection:

	credentials    credentials.TransportCredentials
	serverName     string // empty: the target's
	token          TokenSource
	plaintextToken bool
	dialOptions    []grpc.DialOption

	// Of every upload:

	maxMessageBytes    int
	compression        string // empty: none
	withoutContainerID bool
	logger             *slog.Logger
	maxAttempts        int
	backoff            backoffRange
	onRetry            func(RetryEvent)
	onProgress         func(Progress)

	withoutResume bool // of Upload
	part          part // of OpenStream
	uploader      uploaderSettings
}

func defaultSettings() settings {
	return settings{
		maxMessageBytes: DefaultMaxMessageBytes,
		logger:          slog.New(slog.DiscardHandler),
		maxAttempts:     DefaultMaxAttempts,
		backoff:         backoffRange{first: DefaultFirstBackoff, most: DefaultMaxBackoff},
		onRetry:         func(RetryEvent) {},
		onProgress:      func(Progress) {},
		uploader: uploaderSettings{
			thresholdBytes: DefaultThresholdBytes,
			thresholdAge:   DefaultThresholdAge,
			attemptTimeout: DefaultAttemptTimeout,
			onRefused:      func(RefusedScope) {},
		},
	}
}

// with returns the settings with options that are used at a place.
func (s settings) with(at place, options []Option) (settings, error) {
	for _, option := range options {
		switch {
		case option.set == nil:
			return s, errors.New("the zero Option is not an option")
		case option.places&at == 0:
			return s, fmt.Errorf("option %s: not an option of %v", option.name, at)
		case option.err != nil:
			return s, fmt.Errorf("option %s: %w", option.name, option.err)
		}
		option.set(&s)
	}
	return s, nil
}

// positive returns the error of an option whose value must be positive.
func positive[N int | int32 | time.Duration](value N) error {
	if value <= 0 {
		return fmt.Errorf("%v is not positive", value)
	}
	return nil
}

// given returns the error of an option whose value must not be nil.
func given(isGiven bool) error {
	if !isGiven {
		return errors.New("nil")
	}
	return nil
}

// WithMaxMessageBytes limits a message to n bytes of protobuf. Default
// [DefaultMaxMessageBytes]. A larger scope is sent as several, each with some of its
// children; the backend merges them by scope_type and name. A scope without children to
// split at must fit, see [ScopeTooLargeError]. n may be raised to the server's own limit,
// by default 4 MiB, at the cost of memory on both sides.
func WithMaxMessageBytes(n int) Option {
	return Option{"WithMaxMessageBytes", everywhere, positive(n), func(s *settings) { s.maxMessageBytes = n }}
}

// WithCompression compresses messages on the wire with the named compressor: "gzip" or
// "zstd" of package client/compression, which the program must import, or another one
// registered with gRPC. A server that does not know it fails the upload with UNIMPLEMENTED.
// The empty name, the default, does not compress, which is best on a fast link;
// docs/tracers.md says when to compress.
func WithCompression(name string) Option {
	var err error
	if name != "" && encoding.GetCompressor(name) == nil {
		err = fmt.Errorf("compressor %q is not registered", name)
	}
	return Option{"WithCompression", everywhere, err, func(s *settings) { s.compression = name }}
}

// WithoutContainerID keeps the client from sending the identity of its own container, for a
// program that uploads the scopes of another one. By default the client fills in
// ContainerID, EntityID and ExternalEnv of [Metadata] on Linux, as far as it finds them.
func WithoutContainerID() Option {
	return Option{"WithoutContainerID", everywhere, nil, func(s *settings) { s.withoutContainerID = true }}
}

// WithoutResume makes [Client.Upload] send a single stream and return its failure, for a
// sequence that can be ranged over only once, such as one that reads a pipe. It has no
// effect on an [Uploader].
func WithoutResume() Option {
	return Option{"WithoutResume", inClient | inUpload, nil, func(s *settings) { s.withoutResume = true }}
}

// WithMaxAttempts limits how many streams in a row may fail without a scope accepted.
// Default [DefaultMaxAttempts]. [Client.Upload] counts all failures; an [Uploader] only
// those that may be permanent, see [Client.NewUploader].
func WithMaxAttempts(n int) Option {
	return Option{"WithMaxAttempts", delivering, positive(n), func(s *settings) { s.maxAttempts = n }}
}

// WithBackoff sets the wait before the next stream after a failure: a random time up to a
// limit. The limit starts at first, doubles with each failure without progress, and never
// exceeds most. A delay that the server asks for is added. Default [DefaultFirstBackoff]
// and [DefaultMaxBackoff].
func WithBackoff(first, most time.Duration) Option {
	var err error
	if first <= 0 || most < first {
		err = fmt.Errorf("%v to %v is not a range of positive times", first, most)
	}
	return Option{"WithBackoff", delivering, err, func(s *settings) { s.backoff = backoffRange{first, most} }}
}

// WithOnRetry sets a function that is called before each wait for another attempt, on the
// goroutine that waits. Concurrent uploads call it concurrently.
func WithOnRetry(observe func(RetryEvent)) Option {
	return Option{"WithOnRetry", delivering, given(observe != nil), func(s *settings) { s.onRetry = observe }}
}

// WithOnProgress sets a function that [Client.Upload] calls after each scope that it has
// sent, and an [Uploader] after each batch that was accepted. The upload waits for it.
// Concurrent uploads call it concurrently.
func WithOnProgress(observe func(Progress)) Option {
	return Option{"WithOnProgress", delivering, given(observe != nil), func(s *settings) { s.onProgress = observe }}
}

// Progress is the progress of an upload. Each part of a split scope counts.
type Progress struct {
	UploadID string
	// SentScopeCount is how many scopes were given to the connection. It drops after a
	// failure, because scopes are sent again.
	SentScopeCount int64
	// AcceptedScopeCount is how many the intake has accepted, as far as is known. During
	// [Client.Upload] that is known only after a failure, and at the end.
	AcceptedScopeCount int64
}

// WithLogger logs problems that no call returns at once: each retry, each refused scope,
// the first dropped one, and the failure that ends an [Uploader]. By default nothing is
// logged.
func WithLogger(logger *slog.Logger) Option {
	return Option{"WithLogger", delivering, given(logger != nil), func(s *settings) { s.logger = logger }}
}

// describe returns metadata as a message. It adds the identity of this process's container,
// unless the caller has given one.
func (s settings) describe(metadata Metadata) (*symdbv1.UploadMetadata, error) {
	if !s.withoutContainerID && metadata.ContainerID == "" && metadata.EntityID == "" && metadata.ExternalEnv == "" {
		own := container.Own()
		metadata.ContainerID, metadata.EntityID, metadata.ExternalEnv = own.ContainerID, own.EntityID, own.ExternalEnv
	}
	return metadata.message()
}

// callOptions returns the options of each stream.
func (s settings) callOptions() []grpc.CallOption {
	options := []grpc.CallOption{withoutReplay, grpc.ForceCodecV2(newWireCodec())}
	if s.compression != "" {
		options = append(options, grpc.UseCompressor(s.compression))
	}
	if s.token != nil {
		options = append(options, grpc.PerRPCCredentials(bearer{source: s.token, plaintext: s.plaintextToken}))
	}
	return options
}

// reportRetry reports that an upload will be retried.
func (s settings) reportRetry(ctx context.Context, event RetryEvent) {
	s.logger.WarnContext(ctx, "upload failed and will be retried", "error", event.Err, "wait", event.Wait,
		"upload_id", event.UploadID, "starts_over", event.StartsOver, "accepted_scope_count", event.AcceptedScopeCount)
	s.onRetry(event)
}
