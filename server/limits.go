package server

import (
	"fmt"
	"math"
	"time"

	"github.com/scopegate/scopegate/server/internal/text"
)

// LimitsConfig limits the memory and connections that clients can take up.
// docs/limits.md says what each costs in bytes.
type LimitsConfig struct {
	// MemoryBytes limits the server's memory. Connections, streams, messages and batches
	// may take nine tenths of it; the rest is for memory that is not counted. Set the Go
	// runtime's memory limit (GOMEMLIMIT) to the same value.
	MemoryBytes int64
	// SpoolDir is a directory for an unnamed file that holds batches when memory runs
	// short. Empty: such batches are forwarded before they are full instead.
	SpoolDir string
	// SpoolBytes limits the size of that file.
	SpoolBytes int64
	// Uploads limits the uploads in flight. 0: memory is the only limit.
	Uploads int
	// ServiceUploads limits the uploads of one service in flight. 0: no limit.
	ServiceUploads int
	// ServiceBytes limits the memory of one service's uploads together. 0: no fixed limit.
	// Whatever it is, a service waits while it holds eight times the memory that is still
	// free, so that others find room.
	ServiceBytes int64
	// Connections limits the open connections. At the limit, a new connection evicts the
	// one that has had no upload for the longest time. If all have uploads, the new one is
	// closed.
	Connections int
	// PeerConnections limits the connections from one IPv4 address or one IPv6 /64 network.
	// Unix sockets do not count. 0: half of Connections.
	PeerConnections int
	// StreamsPerConnection limits the open streams of one connection. Further ones wait
	// in the client.
	StreamsPerConnection int
	// FirstMessageTimeout is how long a stream may be open without a message.
	FirstMessageTimeout time.Duration
	// IdleTimeout is the time over which a client must send MinBytesPerSecond on average,
	// from its first message on. Only time that the server spends waiting for the client
	// counts. A stream that is too slow ends with its progress. 0: streams may idle
	// forever.
	//
	// It is also gRPC's MaxConnectionIdle: a connection without streams is closed after it.
	IdleTimeout time.Duration
	// MinBytesPerSecond is the average rate, in bytes of protobuf, that a client must
	// keep up during each IdleTimeout.
	MinBytesPerSecond int
}

// TransportConfig holds the settings of HTTP/2. The defaults suit most networks.
type TransportConfig struct {
	// StreamWindowBytes and ConnectionWindowBytes are the receive windows (RFC
	// 9113, section 5.2), at least 64 KiB. They are fixed: gRPC would enlarge them
	// until a stream that is not read holds some 10 MiB.
	StreamWindowBytes     int
	ConnectionWindowBytes int
	// MaxHeaderListBytes limits a request's headers. gRPC's default is 16 MiB.
	MaxHeaderListBytes int
	// MinPingInterval is how often clients may ping. Many ping every 10 s; gRPC's
	// default of 5 minutes would close their connections.
	MinPingInterval time.Duration
	// HandshakeTimeout limits how long a handshake may take.
	HandshakeTimeout time.Duration
}

func defaultLimits() LimitsConfig {
	return LimitsConfig{
		MemoryBytes:          512 << 20,
		SpoolBytes:           1 << 30,
		Connections:          10_000,
		StreamsPerConnection: 1000,
		FirstMessageTimeout:  10 * time.Second,
		IdleTimeout:          10 * time.Minute,
		MinBytesPerSecond:    1,
	}
}

func defaultTransport() TransportConfig {
	return TransportConfig{
		StreamWindowBytes:     64 << 10,
		ConnectionWindowBytes: 1 << 20,
		MaxHeaderListBytes:    8 << 10,
		MinPingInterval:       5 * time.Second,
		HandshakeTimeout:      20 * time.Second,
	}
}

// minMemoryBytes is enough for one upload with the default settings.
const minMemoryBytes = 32 << 20

func (l LimitsConfig) validate() error {
	switch {
	case l.MemoryBytes < minMemoryBytes:
		return refused("Limits.MemoryBytes", l.MemoryBytes, "is below "+text.Bytes(minMemoryBytes))
	case l.SpoolBytes < 0:
		return refused("Limits.SpoolBytes", l.SpoolBytes, isNegative)
	case l.SpoolBytes == 0 && l.SpoolDir != "":
		return refused("Limits.SpoolBytes", l.SpoolBytes, isNotPositive)
	case l.Uploads < 0:
		return refused("Limits.Uploads", l.Uploads, isNegative)
	case l.ServiceUploads < 0:
		return refused("Limits.ServiceUploads", l.ServiceUploads, isNegative)
	case l.ServiceBytes < 0:
		return refused("Limits.ServiceBytes", l.ServiceBytes, isNegative)
	case l.Connections < 1:
		return refused("Limits.Connections", l.Connections, isNotPositive)
	case l.PeerConnections < 0:
		return refused("Limits.PeerConnections", l.PeerConnections, isNegative)
	case l.StreamsPerConnection < 1 || l.StreamsPerConnection > math.MaxInt32:
		return refused("Limits.StreamsPerConnection", l.StreamsPerConnection,
			fmt.Sprintf("is not between 1 and %d", math.MaxInt32))
	case l.FirstMessageTimeout <= 0:
		return refused("Limits.FirstMessageTimeout", l.FirstMessageTimeout, isNotPositive)
	case l.IdleTimeout < 0:
		return refused("Limits.IdleTimeout", l.IdleTimeout, isNegative)
	case l.MinBytesPerSecond < 0:
		return refused("Limits.MinBytesPerSecond", l.MinBytesPerSecond, isNegative)
	case l.MinBytesPerSecond > 0 && l.IdleTimeout == 0:
		return refused("Limits.MinBytesPerSecond", l.MinBytesPerSecond,
			"requires an idle timeout")
	}
	return nil
}

func (t TransportConfig) validate() error {
	const minWindowBytes, maxWindowBytes = 64 << 10, math.MaxInt32
	outsideWindow := outside(minWindowBytes, maxWindowBytes)
	switch {
	case t.StreamWindowBytes < minWindowBytes || t.StreamWindowBytes > maxWindowBytes:
		return refused("Transport.StreamWindowBytes", t.StreamWindowBytes, outsideWindow)
	case t.ConnectionWindowBytes < minWindowBytes || t.ConnectionWindowBytes > maxWindowBytes:
		return refused("Transport.ConnectionWindowBytes", t.ConnectionWindowBytes, outsideWindow)
	case t.MaxHeaderListBytes < 1<<10 || t.MaxHeaderListBytes > 16<<20:
		return refused("Transport.MaxHeaderListBytes", t.MaxHeaderListBytes, outside(1<<10, 16<<20))
	case t.MinPingInterval <= 0:
		return refused("Transport.MinPingInterval", t.MinPingInterval, isNotPositive)
	case t.HandshakeTimeout <= 0:
		return refused("Transport.HandshakeTimeout", t.HandshakeTimeout, isNotPositive)
	}
	return nil
}

// peerConnections returns the limit for one address.
func (l LimitsConfig) peerConnections() int {
	if l.PeerConnections > 0 {
		return l.PeerConnections
	}
	return (l.Connections + 1) / 2
}
