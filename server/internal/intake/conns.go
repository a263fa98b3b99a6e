package intake

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// conns tracks the open connections of a client. A connection that is still being set
// up, including the proxy's answer and the TLS handshake, is closed when the attempt
// that asked for it ends. net/http would let it continue, and it would then count
// against the limit while the next attempt waits.
type conns struct {
	mu     sync.Mutex
	open   map[*countedConn]struct{}
	closed bool
	// ctx ends when closed is set; that aborts all dials.
	ctx    context.Context //nolint:containedctx // each dial has its own context too
	cancel context.CancelFunc
}

func newConns() *conns {
	c := &conns{open: make(map[*countedConn]struct{})}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

var errClientClosed = errors.New("the client is closed")

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// dialing wraps dial, so that c tracks its connections.
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

// close closes all connections, also those in use, and prevents new ones.
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

// attemptKey is the context key under which an attempt's context carries itself:
// net/http dials with a context that keeps the values but not the end.
type attemptKey struct{}

// withAttempt returns a context from which dialing can tell when the attempt ends.
func withAttempt(ctx context.Context) context.Context {
	return context.WithValue(ctx, attemptKey{}, ctx)
}

// countedConn counts the bytes that were written, including those of a Write that has
// not returned.
type countedConn struct {
	net.Conn
	written atomic.Int64
	of      *conns

	mu   sync.Mutex
	uses int64 // requests sent on it
}

// use counts a request that is sent on the connection, and returns its number.
func (c *countedConn) use() (nth int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uses++
	return c.uses
}

// closeAt closes the connection, unless another request was sent on it after the nth.
func (c *countedConn) closeAt(nth int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.uses == nth {
		_ = c.Close()
	}
}

// Close closes the connection.
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

// counted returns the connection below conn, which may have TLS on it, twice with a
// proxy that uses TLS too. It returns nil if the connection is not ours. Shared reports
// whether other requests use it at the same time.
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
