package server

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/tenant"
	"github.com/scopegate/scopegate/server/internal/text"
	"github.com/scopegate/scopegate/server/internal/upload"
)

// Config holds the server's settings. Start from [DefaultConfig]. Most fields have a flag of
// scopegate serve; the field tags in cmd/scopegate/serve.go, and in the files beside it, say
// which.
type Config struct {
	// Intake is the intake that batches are sent to.
	Intake IntakeConfig
	// Access defines who may upload.
	Access AccessConfig
	// AdditionalIntakes also get each batch that the intake has accepted.
	AdditionalIntakes AdditionalConfig
	// Limits limits the memory and connections that clients can take up.
	Limits LimitsConfig
	// Transport holds the settings of HTTP/2.
	Transport TransportConfig
	// TLS secures clients' connections. By default they are in plain text.
	TLS TLSConfig
	// FlushThresholdBytes is the compressed size at which a batch is full. A
	// batch exceeds it by at most 32 KiB and the scope that crossed it. 0 or
	// less: every scope is a batch of its own.
	FlushThresholdBytes int
	// FlushThresholdRawBytes is the length of JSON at which a batch is full. A batch exceeds it
	// by the scope that crossed it. 0 or less: no threshold.
	FlushThresholdRawBytes int64
	// MaxBatchBytes limits the compressed size of a stream that the client asks to be
	// a single batch.
	MaxBatchBytes int
	// MaxBatchRawBytes limits the length of the JSON of such a stream.
	MaxBatchRawBytes int64
	// MaxBatchAge is how long a batch may stay open before it is forwarded, full or
	// not. 0: as long as the stream.
	MaxBatchAge time.Duration
	// MaxConnectionAge is how long a connection may last before the client is told to reconnect,
	// so that clients find new servers. A stream may last as long; then it ends with its progress,
	// and the client resumes. One that is older when its metadata arrives ends then. 0: forever.
	MaxConnectionAge time.Duration
	// MaxScopeBytes limits the protobuf size of one scope, and so of a message.
	MaxScopeBytes int
	// MaxMetadataBytes limits the protobuf size of an upload's metadata.
	MaxMetadataBytes int
	// MaxDepth limits how deep messages may be nested in a scope. The root scope
	// counts as 1.
	MaxDepth int
	// CompressionLevel is [ScopeCompression], or the level of an ordinary encoder:
	// MinCompressionLevel (fastest) to MaxCompressionLevel (smallest).
	CompressionLevel int
	// VerifyBatches is the share of batches, from 0 to 1, that are decompressed and compared with
	// their JSON while they are compressed. A chunk that differs is compressed again by an
	// ordinary encoder, counted and logged.
	VerifyBatches float64
	// ChunkBytes is how much JSON is compressed at once. Besides its compressed bytes, an idle
	// upload holds at most a chunk, a window of 8 KiB, and an eighth of both.
	ChunkBytes int
}

// Values of [Config.CompressionLevel].
const (
	// ScopeCompression is the encoder made for the JSON of scopes.
	ScopeCompression    = encode.Scope
	MinCompressionLevel = ScopeCompression + 1
	MaxCompressionLevel = encode.MaxLevel
)

// AccessConfig defines who may upload.
type AccessConfig struct {
	// TenantsFile is the path of a file that lists tenants with their tokens,
	// certificates, limits and intakes. docs/tenants.md describes it. Empty: anyone
	// may upload.
	TenantsFile string
	// TenantsInterval is how often the file, and the files it names, are checked for
	// changes. A change is applied once a second check finds it unchanged.
	TenantsInterval time.Duration
	// Reflection enables gRPC server reflection, for clients that may upload.
	Reflection bool
}

func (c AccessConfig) validate() error {
	switch {
	case c.TenantsInterval < 0:
		return refused("Access.TenantsInterval", c.TenantsInterval, isNegative)
	case c.TenantsInterval == 0 && c.TenantsFile != "":
		return refused("Access.TenantsInterval", c.TenantsInterval, isNotPositive)
	}
	return nil
}

// IntakeConfig configures the intake that batches are posted to.
type IntakeConfig struct {
	// URL is the URL that batches are posted to: http or https, or
	// `unix:///path/to/socket:/path/of/url` for HTTP over a unix socket.
	// Required.
	URL string
	// APIKey is sent as DD-API-KEY, with the other headers that the backend's
	// own intake requires. Zero: the intake is an agent, which adds its own key.
	APIKey Secret
	// Origin is the kind of program that sends. It is sent as DD-EVP-ORIGIN, together with
	// APIKey.
	Origin string
	// AdditionalTags are sent with each batch: `key:value` pairs, separated by commas.
	// They win over an upload's tags of the same key.
	AdditionalTags string
	// Hostname is the value of the tag `host`. It is sent only together with APIKey, because an
	// agent adds the tag itself. Uploads that have the tag keep theirs. Empty: this host's name.
	Hostname string
	// TLS configures an https URL.
	TLS IntakeTLSConfig
	// PostTimeout limits one POST, from dialling to the end of the answer.
	PostTimeout time.Duration
	// BatchDeadline is how long to keep retrying a batch. The last attempt may end
	// PostTimeout later. Waiting for a connection (see MaxConnections) does not count,
	// except during an outage. 0: as long as the client waits.
	BatchDeadline time.Duration
	// MaxConnections limits the connections to the intake, and so the batches posted
	// at once. Other batches wait, round robin between services. A connection takes
	// about 100 KB while a batch is sent.
	MaxConnections int
}

// defaultMaxConnections allows 80 batches a second to an intake that takes 200 ms for
// each. That is 160 MiB a second at the default threshold, more than a handful of cores
// compress. It is still few for an agent on the same host, which may buffer each batch.
const defaultMaxConnections = 16

// minBatchBytes is the lowest limit for a stream that is a single batch.
const minBatchBytes = 64 << 10

// DefaultConfig returns the recommended settings. Only Intake.URL must still be set.
func DefaultConfig() Config {
	settings := encode.DefaultSettings()
	return Config{
		Intake: IntakeConfig{
			Origin:         "agent-symdb",
			PostTimeout:    30 * time.Second,
			BatchDeadline:  5 * time.Minute,
			MaxConnections: defaultMaxConnections,
		},
		Access:                 AccessConfig{TenantsInterval: tenant.DefaultInterval},
		AdditionalIntakes:      defaultAdditional(),
		Limits:                 defaultLimits(),
		Transport:              defaultTransport(),
		TLS:                    defaultTLS(),
		FlushThresholdBytes:    2 << 20,
		FlushThresholdRawBytes: 48 << 20,
		MaxBatchBytes:          8 << 20,
		MaxBatchRawBytes:       128 << 20,
		MaxBatchAge:            30 * time.Second,
		MaxConnectionAge:       30 * time.Minute,
		MaxScopeBytes:          4 << 20,
		MaxMetadataBytes:       16 << 10,
		MaxDepth:               64,
		CompressionLevel:       settings.Level,
		ChunkBytes:             settings.ChunkBytes,
	}
}

// Validate returns a [*ConfigError] for the first setting that is out of range.
func (c Config) Validate() error {
	switch {
	case c.MaxBatchBytes < minBatchBytes:
		return refused("MaxBatchBytes", c.MaxBatchBytes, "is below "+text.Bytes(minBatchBytes))
	case c.MaxBatchRawBytes < minBatchBytes:
		return refused("MaxBatchRawBytes", c.MaxBatchRawBytes, "is below "+text.Bytes(minBatchBytes))
	case c.MaxBatchAge < 0:
		return refused("MaxBatchAge", c.MaxBatchAge, isNegative)
	case c.MaxConnectionAge < 0:
		return refused("MaxConnectionAge", c.MaxConnectionAge, isNegative)
	case c.MaxScopeBytes < 1<<10 || c.MaxScopeBytes > 1<<30:
		return refused("MaxScopeBytes", c.MaxScopeBytes, outside(1<<10, 1<<30))
	case c.MaxMetadataBytes < 1<<10 || c.MaxMetadataBytes > 1<<20:
		return refused("MaxMetadataBytes", c.MaxMetadataBytes, outside(1<<10, 1<<20))
	case c.MaxDepth < 1 || c.MaxDepth > 1000:
		return refused("MaxDepth", c.MaxDepth, "is not between 1 and 1000")
	case c.CompressionLevel < ScopeCompression || c.CompressionLevel > MaxCompressionLevel:
		return refused("CompressionLevel", c.CompressionLevel,
			fmt.Sprintf("is not between %d and %d", ScopeCompression, MaxCompressionLevel))
	case !(c.VerifyBatches >= 0 && c.VerifyBatches <= 1):
		return refused("VerifyBatches", c.VerifyBatches, "is not between 0 and 1")
	case c.ChunkBytes < encode.MinChunkBytes || c.ChunkBytes > encode.MaxChunkBytes:
		return refused("ChunkBytes", c.ChunkBytes, outside(encode.MinChunkBytes, encode.MaxChunkBytes))
	}
	for _, validate := range []func() error{
		c.Intake.validate,
		c.Access.validate,
		c.Limits.validate,
		func() error { return c.AdditionalIntakes.validate(c.Limits.MemoryBytes) },
		c.Transport.validate,
		c.TLS.validate,
		func() error { return c.Intake.TLS.validate(c.Intake.URL) },
	} {
		if err := validate(); err != nil {
			return err
		}
	}
	return nil
}

func (c IntakeConfig) validate() error {
	wrongURL := intake.CheckURL(c.URL)
	switch {
	case c.URL == "":
		return refusedSecret("Intake.URL", "is missing")
	case wrongURL != nil:
		return refusedSecret("Intake.URL", wrongURL.Error())
	case containsControl(c.APIKey.Reveal()):
		return refusedSecret("Intake.APIKey", hasControl)
	case containsControl(c.Origin):
		return refused("Intake.Origin", strconv.Quote(c.Origin), hasControl)
	case containsControl(c.AdditionalTags):
		return refused("Intake.AdditionalTags", strconv.Quote(c.AdditionalTags), hasControl)
	case containsControl(c.Hostname):
		return refused("Intake.Hostname", strconv.Quote(c.Hostname), hasControl)
	case c.PostTimeout <= 0:
		return refused("Intake.PostTimeout", c.PostTimeout, isNotPositive)
	case c.BatchDeadline < 0:
		return refused("Intake.BatchDeadline", c.BatchDeadline, isNegative)
	case c.MaxConnections < 1 || c.MaxConnections > tenant.MaxConnections:
		return refused("Intake.MaxConnections", c.MaxConnections, fmt.Sprintf("is not between 1 and %d", tenant.MaxConnections))
	}
	return nil
}

func (c Config) encodeSettings() encode.Settings {
	settings := encode.DefaultSettings()
	settings.Level = c.CompressionLevel
	settings.ChunkBytes = c.ChunkBytes
	return settings
}

// client returns the configuration of the intake's client. version is the program's.
func (c IntakeConfig) client(version string) intake.Config {
	return intake.Config{
		URL: c.URL, APIKey: c.APIKey, Origin: c.Origin, OriginVersion: version,
		AdditionalTags: c.AdditionalTags, AgentTags: c.agentTags(version),
		PostTimeout: c.PostTimeout, BatchDeadline: c.BatchDeadline, MaxConnections: c.MaxConnections,
	}
}

// agentTags returns the tags that an agent adds to all batches.
func (c IntakeConfig) agentTags(version string) string {
	host := c.Hostname
	if host == "" {
		host, _ = os.Hostname()
	}
	tags := "default_env:none"
	if host != "" {
		tags += ",host:" + host
	}
	if version != "" {
		tags += ",agent_version:" + version
	}
	return tags
}

func (c Config) batchPolicy() batch.Policy {
	return batch.Policy{
		FlushThresholdBytes:    c.FlushThresholdBytes,
		FlushThresholdRawBytes: c.FlushThresholdRawBytes,
	}
}

func (c Config) uploads() upload.Config {
	return upload.Config{
		MaxBatchBytes: c.MaxBatchBytes, MaxBatchRawBytes: c.MaxBatchRawBytes, MaxBatchAge: c.MaxBatchAge,
		MaxStreamAge: c.MaxConnectionAge, MaxScopeBytes: c.MaxScopeBytes, MaxMetadataBytes: c.MaxMetadataBytes,
		MaxDepth: c.MaxDepth, FirstMessageTimeout: c.Limits.FirstMessageTimeout,
		IdleTimeout: c.Limits.IdleTimeout, MinBytesPerSecond: c.Limits.MinBytesPerSecond,
		SettleTime: settleTime,
	}
}
