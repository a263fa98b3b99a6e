package server

import (
	"log/slog"
	"net"
	"time"

	"github.com/scopegate/scopegate/server/internal/connlimit"
	"github.com/scopegate/scopegate/server/internal/logs"
	"github.com/scopegate/scopegate/server/internal/memory"
)

const (
	// connectionBytes is for a connection, as measured with `make loadtest`: its
	// goroutines, its tables of headers and streams.
	connectionBytes = 28 << 10
	// tlsConnectionBytes is for TLS on top of that, a client's certificate included.
	tlsConnectionBytes = 20 << 10
	// unusedTimeout is how long a connection may be open before its first upload, while
	// it has no stream.
	unusedTimeout = 30 * time.Second
	// idlePercent is how much of what the server does not hold at its start connections
	// without an upload may hold together.
	idlePercent = 50
	// writeBufferBytes is how much the kernel keeps of what a client does not read: far
	// more than all answers in a round trip, and a fraction of the megabytes that it
	// would grow to.
	writeBufferBytes = 64 << 10
)

// newConnections returns what keeps account of the connections of all listeners.
func newConnections(cfg LimitsConfig, budget *memory.Budget, n *logs.Limiter) *connlimit.Limiter {
	return connlimit.New(connlimit.Limits{
		Connections: cfg.Connections, PeerConnections: cfg.peerConnections(),
		IdleBytes: (budget.LimitBytes() - budget.DrawnBytes()) / 100 * idlePercent, UnusedTimeout: unusedTimeout,
		OnEvict: func(client net.Addr) {
			n.Info("connection without an upload closed, to make room for others",
				slog.String("peer", client.String()))
		},
	}, budget)
}

// listener takes connections that there is room for, and draws from the budget for
// each. It closes others at once: a client that is left waiting could not go to
// another server.
type listener struct {
	net.Listener
	connections *connlimit.Limiter
	budget      *memory.Budget
	limitedLog  *logs.Limiter
	bytes       int // that a connection holds
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if buffered, ok := conn.(interface{ SetWriteBuffer(bytes int) error }); ok {
			_ = buffered.SetWriteBuffer(writeBufferBytes) // else it is as large as the kernel likes
		}
		if taken := l.connections.Take(conn, l.bytes); taken != nil {
			return &connection{Conn: taken, budget: l.budget}, nil
		}
		l.limitedLog.Warn("connection refused: there are as many with an upload as there may be connections",
			slog.String("peer", conn.RemoteAddr().String()))
	}
}

// maxReadPause bounds the wait before a read: on the same connection may be what is
// needed for others to come to their end.
const maxReadPause = 500 * time.Millisecond

// connection is a connection of a listener.
type connection struct {
	*connlimit.Conn
	budget *memory.Budget
}

// Read reads what the client has sent; not as fast as it comes while more is held
// than there is. What gRPC takes of a message that it has begun to read can't be
// refused, but it can be left in the kernel until others have given back.
func (c *connection) Read(p []byte) (int, error) {
	c.budget.AwaitRelief(maxReadPause)
	return c.Conn.Read(p)
}
