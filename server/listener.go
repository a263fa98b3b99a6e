package server

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scopegate/scopegate/server/internal/memory"
)

// What is drawn for a connection, as measured with `make loadtest`: docs/limits.md.
const (
	// connectionBytes is for its goroutines and its tables of headers and streams.
	connectionBytes = 24 << 10
	// tlsConnectionBytes is for TLS on top of that, a client's certificate included.
	tlsConnectionBytes = 20 << 10
)

// connections counts the open connections of all listeners.
type connections struct {
	open   atomic.Int64
	limit  int64
	budget *memory.Budget
	// taken and refused are how many there were.
	taken, refused atomic.Int64
}

// listener draws from the budget for each connection, and closes those at once
// that are more than there may be: a client that is left waiting could not go to
// another server.
type listener struct {
	net.Listener
	connections *connections
	bytes       int // that a connection holds
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.connections.open.Add(1) <= l.connections.limit {
			l.connections.budget.Draw(l.bytes)
			l.connections.taken.Add(1)
			return &connection{Conn: conn, of: l.connections, bytes: l.bytes}, nil
		}
		l.connections.open.Add(-1)
		l.connections.refused.Add(1)
		_ = conn.Close() // nothing was sent or read yet
	}
}

// maxReadPause bounds the wait before a read: on the same connection may be what is
// needed for others to come to their end.
const maxReadPause = 500 * time.Millisecond

type connection struct {
	net.Conn
	of     *connections
	bytes  int
	closed sync.Once
}

// Read reads what the client has sent; not as fast as it comes while more is held
// than there is. What gRPC takes of a message that it has begun to read can't be
// refused, but it can be left in the kernel until others have given back.
func (c *connection) Read(p []byte) (int, error) {
	c.of.budget.AwaitRelief(maxReadPause)
	return c.Conn.Read(p)
}

func (c *connection) Close() error {
	c.closed.Do(func() {
		c.of.open.Add(-1)
		c.of.budget.Draw(-c.bytes)
	})
	return c.Conn.Close()
}
