package intake

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
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

// wrap returns dial with its connections tracked by c.
func (c *conns) wrap(dial dialFunc) dialFunc {
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
		conn := &countedConn{Conn: raw, conns: c}
		if c.mu.Lock(); c.closed {
			c.mu.Unlock()
			return nil, errors.Join(errClientClosed, raw.Close())
		}
		c.open[conn] = struct{}{}
		c.mu.Unlock()
		context.AfterFunc(attempt, func() { conn.closeAt(0) }) //nolint:contextcheck // as above
		return conn, nil
	}
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

// attemptKey is the context key under which an attempt's context carries itself.
// net/http dials with a context that keeps the values but does not end with the attempt.
type attemptKey struct{}

// countedConn counts the bytes written, including those of a Write in progress.
type countedConn struct {
	net.Conn
	written atomic.Int64
	conns   *conns

	mu   sync.Mutex
	uses int64 // requests sent on it
}

// use counts a request and returns its number.
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
	c.conns.mu.Lock()
	delete(c.conns.open, c)
	c.conns.mu.Unlock()
	return c.Conn.Close()
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.written.Add(int64(len(p)))
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n - len(p)))
	return n, err
}

// unwrapConn returns the connection below conn, which may have TLS on it, twice with a
// proxy that uses TLS too. It returns nil if the connection is not ours. Shared reports
// whether other requests use it at the same time.
func unwrapConn(conn net.Conn) (bottom *countedConn, shared bool) {
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

// outbound tracks how much of a request was sent, to know whether the intake may have
// it when no answer comes. A request of fewer than Content-Length bytes is incomplete
// (RFC 9112, section 8), so only the last byte matters. It may have been sent if the
// transport has read it, and has written to the connection since the request started.
type outbound struct {
	mu      sync.Mutex
	body    *body
	conn    net.Conn
	counted *countedConn // nil if other requests share the connection
	use     int64        // the number of the request on it
	before  int64        // bytes written before the request
}

// newBody returns the form as the body of the request. It forgets an earlier body, which
// the intake can't have seen.
func (o *outbound) newBody(f *form) io.ReadCloser {
	o.closeBody()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.body, o.conn, o.counted = f.newBody(), nil, nil
	return o.body
}

// closeBody stops the transport from reading, which may go on after RoundTrip returns.
func (o *outbound) closeBody() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.body != nil {
		_ = o.body.Close()
	}
}

// connected records the connection on which the request is sent.
func (o *outbound) connected(conn net.Conn) {
	bottom, shared := unwrapConn(conn)
	var use int64
	if bottom != nil {
		use = bottom.use()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conn, o.counted = conn, nil
	if bottom != nil && !shared {
		o.counted, o.use, o.before = bottom, use, bottom.written.Load()
	}
}

// abort closes the connection of the request, unless it is shared or another request
// uses it by now.
func (o *outbound) abort() {
	o.mu.Lock()
	conn, use := o.counted, o.use
	o.mu.Unlock()
	if conn != nil {
		conn.closeAt(use)
	}
}

func (o *outbound) isConnected() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.conn != nil
}

// readErr returns why the body could not be read, or nil.
func (o *outbound) readErr() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.body.readErr()
}

// mayBeSent reports whether the whole request may have been sent. Call it after the
// transport has returned.
func (o *outbound) mayBeSent() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	wrote := o.counted == nil || o.counted.written.Load() > o.before
	return o.conn != nil && wrote && o.body.wasRead()
}
