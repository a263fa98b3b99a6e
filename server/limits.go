package server

import (
	"fmt"
	"math"
	"time"

	"github.com/scopegate/scopegate/server/internal/text"
)

// LimitsConfig bounds what clients can have the server hold. docs/limits.md
// says what each costs in bytes.
type LimitsConfig struct {
	// MemoryBytes is what the server may hold, all in all. What is drawn for
	// connections, streams, messages and batches stays below nine tenths of it;
	// the rest is for what isn't counted. Set the Go runtime's own limit
	// (GOMEMLIMIT) to the same.
	MemoryBytes int64
	// SpoolDir is a directory where batches are kept that find no room in memory,
	// in a file without a name. Empty: there is none, and such batches are
	// forwarded before they are full.
	SpoolDir string
	// SpoolBytes bounds the size of that file.
	SpoolBytes int64
	// Uploads is how many uploads may be in flight. 0: as many as memory has room
	// for.
	Uploads int
	// ServiceUploads is how many uploads of one service may be in flight. 0: any
	// number.
	ServiceUploads int
	// ServiceBytes is what the uploads of one service may hold together. 0: eight
	// times what is free.
	ServiceBytes int64
	// Connections is how many connections may be open. To make room for another one,
	// the one is closed that has been without an upload for longest; where all have
	// one, the new one is.
	Connections int
	// PeerConnections is how many of them may be of one IPv4 address, or of one IPv6
	// network of 64 bits; those of unix sockets are not counted. 0: half of Connections.
	PeerConnections int
	// StreamsPerConnection is how many streams a client may have open in one
	// connection. Further ones wait, in the client.
	StreamsPerConnection int
	// FirstMessageTimeout is how long a stream may be open without a message.
	FirstMessageTimeout time.Duration
	// IdleTimeout is how long the server waits for a client, all in all, after its
	// first message, until that must have sent something; then the stream is given
	// back to it. 0: for ever. The time for which the server does not read the stream
	// is not counted.
	IdleTimeout time.Duration
	// MinBytesPerSecond is what a client must send on average during each
	// IdleTimeout, in bytes of protobuf.
	MinBytesPerSecond int
}

// TransportConfig says how HTTP/2 is spoken. The defaults suit most networks.
type TransportConfig struct {
	// StreamWindowBytes and ConnectionWindowBytes are the receive windows (RFC
	// 9113, section 5.2), at least 64 KiB. Left to themselves they would grow
	// until a stream whose batch is waiting for the intake holds some 10 MiB.
	StreamWindowBytes     int
	ConnectionWindowBytes int
	// MaxHeaderListBytes bounds a request's headers; gRPC's default is 16 MiB.
	MaxHeaderListBytes int
	// MinPingInterval is how often clients may ping. Many do every 10 s, for
	// which gRPC's default of 5 minutes would have them break off.
	MinPingInterval time.Duration
	// HandshakeTimeout bounds the setting up of a connection.
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
			"needs an idle timeout, as that is what it is measured over")
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

// peerConnections returns how many connections may be of one address.
func (l LimitsConfig) peerConnections() int {
	if l.PeerConnections > 0 {
		return l.PeerConnections
	}
	return (l.Connections + 1) / 2
}
