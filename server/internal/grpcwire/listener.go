package grpcwire

import (
	"context"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/scopegate/scopegate/server/internal/connlimit"
	"github.com/scopegate/scopegate/server/internal/logs"
	"github.com/scopegate/scopegate/server/internal/memory"
)

const (
	// ConnectionBytes is the memory of a connection, as measured with `make loadtest`:
	// goroutines, and tables of headers and streams.
	ConnectionBytes = 28 << 10
	// TLSConnectionBytes is the additional memory of TLS with a client certificate.
	TLSConnectionBytes = 20 << 10
	// writeBufferBytes limits the kernel's buffer for a client that does not read. It is far
	// more than the answers of a round trip; the kernel's own limit is megabytes.
	writeBufferBytes = 64 << 10
)

// Listener accepts connections while there is room, and draws from the budget for each. It
// closes others at once, so that the client can go to another server.
type Listener struct {
	net.Listener
	Connections *connlimit.Limiter
	Budget      *memory.Budget
	Log         *logs.Limiter
	Bytes       int // of a connection
}

// Accept returns an [*Accepted].
func (l *Listener) Accept() (net.Conn, error) {
	taken, err := l.Connections.Accept(l.Listener, l.Bytes, func(conn net.Conn) {
		l.Log.Warn("connection refused: too many connections, in total or from this address",
			slog.String("peer", conn.RemoteAddr().String()))
	})
	if err != nil {
		return nil, err
	}
	if buffered, ok := taken.Conn.(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = buffered.SetWriteBuffer(writeBufferBytes)
	}
	return &Accepted{Conn: taken, budget: l.Budget}, nil
}

// maxReadPause limits the wait before a read, because the data may let other streams end.
const maxReadPause = 500 * time.Millisecond

// Accepted is a connection of a [Listener].
type Accepted struct {
	*connlimit.Conn
	budget *memory.Budget
}

// Read slows down while the budget is exceeded. What gRPC reads of a message can't be
// refused, but it can stay in the kernel until others have released memory.
func (c *Accepted) Read(p []byte) (int, error) {
	c.budget.AwaitRelief(maxReadPause)
	return c.Conn.Read(p)
}

// Line is the AuthInfo of a stream's peer, with its connection.
type Line struct {
	credentials.AuthInfo
	Conn *connlimit.Conn
}

// ConnOf returns the connection of a stream, or nil if it is unknown.
func ConnOf(ctx context.Context) *connlimit.Conn {
	if client, ok := peer.FromContext(ctx); ok {
		if line, ok := client.AuthInfo.(*Line); ok {
			return line.Conn
		}
	}
	return nil
}

// AuthInfoOf returns the AuthInfo of a stream's peer, or nil if it is unknown.
func AuthInfoOf(ctx context.Context) credentials.AuthInfo {
	client, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	if line, ok := client.AuthInfo.(*Line); ok {
		return line.AuthInfo
	}
	return client.AuthInfo
}
