package intake

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// conns are the open connections of a client. While a connection is being made,
// a proxy's answer and the TLS handshake included, it ends with the attempt that
// asked for it: net/http would let it go on, and it would take the place of the
// next attempt's.
type conns struct {
	mu     sync.Mutex
	open   map[*countedConn]struct{}
	closed bool
	// ctx ends when closed is set, and with it the dialing.
	ctx    context.Context //nolint:containedctx // it is that of all dials, each of which has its own too
	cancel context.CancelFunc
}

func newConns() *conns {
	c := &conns{open: make(map[*countedConn]struct{})}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

var errClientClosed = errors.New("the client is closed")

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// dialing returns dial, so that what it connects is one of c.
func (c *conns) dialing(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(c.ctx, cancel)() //nolint:contextcheck // the client may end before its attempts
		attempt, ok := ctx.Value(attemptKey{}).(context.Context)
		if !ok {
			attempt = context.Background()
		}
		defer context.AfterFunc(attempt, cancel)() //nolint:contextcheck // ctx does not end with its request
		raw, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		conn := &countedConn{Conn: raw, of: c}
		if !c.add(conn) {
			return nil, errors.Join(errClientClosed, raw.Close())
		}
		context.AfterFunc(attempt, func() { conn.closeAt(0) }) //nolint:contextcheck // as above
		return conn, nil
	}
}

func (c *conns) add(conn *countedConn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.open[conn] = struct{}{}
	return true
}

func (c *conns) remove(conn *countedConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
}

func (c *conns) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

// close ends all connections, whatever they are used for, and lets none be made.
func (c *conns) close() {
	c.cancel()
	c.mu.Lock()
	c.closed = true
	open := c.open
	c.open = nil
	c.mu.Unlock()
	for conn := range open {
		_ = conn.Close()
	}
}

// attemptKey is the key of an attempt's context in the values of what comes of it.
type attemptKey struct{}

// withAttempt makes the context known to dialing.
func withAttempt(ctx context.Context) context.Context {
	return context.WithValue(ctx, attemptKey{}, ctx)
}

// countedConn counts the bytes that were, or are just being, written.
type countedConn struct {
	net.Conn
	written atomic.Int64
	of      *conns

	mu   sync.Mutex
	uses int64 // requests that were sent through it
}

// use tells that a request is sent through the connection, and returns which one.
func (c *countedConn) use() (nth int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uses++
	return c.uses
}

// closeAt closes the connection unless a further request was sent since the nth.
func (c *countedConn) closeAt(nth int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.uses == nth {
		_ = c.Close()
	}
}

// Close closes the connection, with all that stands on it.
func (c *countedConn) Close() error {
	c.of.remove(c)
	return c.Conn.Close()
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.written.Add(int64(len(p)))
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n - len(p)))
	return n, err
}

// counted returns the connection at the bottom of conn, which may have TLS on it,
// twice where the proxy has it too; nil: it is none of ours. Shared tells that other
// requests use it at the same time.
func counted(conn net.Conn) (bottom *countedConn, shared bool) {
	for {
		secure, ok := conn.(*tls.Conn)
		if !ok {
			break
		}
		shared = shared || secure.ConnectionState().NegotiatedProtocol == "h2"
		conn = secure.NetConn()
	}
	bottom, _ = conn.(*countedConn)
	return bottom, shared
}
