package grpcwire

import (
	"log/slog"
	"net"
	"time"

	"github.com/scopegate/scopegate/server/internal/connlimit"
	"github.com/scopegate/scopegate/server/internal/logs"
	"github.com/scopegate/scopegate/server/internal/memory"
)

const (
	// ConnectionBytes is for a connection, as measured with `make loadtest`: its
	// goroutines, its tables of headers and streams.
	ConnectionBytes = 28 << 10
	// TLSConnectionBytes is for TLS on top of that, a client's certificate included.
	TLSConnectionBytes = 20 << 10
	// writeBufferBytes is how much the kernel keeps of what a client does not read: far
	// more than all answers in a round trip, and a fraction of the megabytes that it
	// would grow to.
	writeBufferBytes = 64 << 10
)

// Listener takes connections that there is room for, and draws from the budget for
// each. It closes others at once: a client that is left waiting could not go to
// another server.
type Listener struct {
	net.Listener
	Connections *connlimit.Limiter
	Budget      *memory.Budget
	Log         *logs.Limiter
	Bytes       int // that a connection holds
}

// Accept returns the next connection, an [*Accepted].
func (l *Listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if buffered, ok := conn.(interface{ SetWriteBuffer(bytes int) error }); ok {
			_ = buffered.SetWriteBuffer(writeBufferBytes) // else it is as large as the kernel likes
		}
		if taken := l.Connections.Take(conn, l.Bytes); taken != nil {
			return &Accepted{Conn: taken, budget: l.Budget}, nil
		}
		l.Log.Warn("connection refused: there are as many with an upload as there may be connections",
			slog.String("peer", conn.RemoteAddr().String()))
	}
}

// maxReadPause bounds the wait before a read: on the same connection may be what is
// needed for others to come to their end.
const maxReadPause = 500 * time.Millisecond

// Accepted is a connection of a [Listener].
type Accepted struct {
	*connlimit.Conn
	budget *memory.Budget
}

// Read reads what the client has sent; not as fast as it comes while more is held
// than there is. What gRPC takes of a message that it has begun to read can't be
// refused, but it can be left in the kernel until others have given back.
func (c *Accepted) Read(p []byte) (int, error) {
	c.budget.AwaitRelief(maxReadPause)
	return c.Conn.Read(p)
}
