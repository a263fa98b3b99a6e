package intake

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// outbound follows a request on its way out, to know what the intake can have
// got of it when no answer comes. An intake that got less than Content-Length
// bytes has got no request (RFC 9112, section 8), so what counts is whether the
// last byte can have gone out: the transport has taken it, and has written to
// the connection since the request began.
type outbound struct {
	mu      sync.Mutex
	body    *body
	conn    net.Conn
	counted *countedConn // nil where the connection does not count
	before  int64
}

// begin returns the form as the request's body, and forgets about a time before
// that did not count.
func (o *outbound) begin(f *form) io.ReadCloser {
	o.end()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.body, o.conn, o.counted = f.body(), nil, nil
	return o.body
}

// end has the transport, which may read on in the background after it has
// returned, read no more.
func (o *outbound) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.body != nil {
		_ = o.body.Close()
	}
}

func (o *outbound) connected(conn net.Conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conn, o.counted = conn, nil
	if secure, ok := conn.(*tls.Conn); ok {
		if secure.ConnectionState().NegotiatedProtocol == "h2" {
			return // its bytes are other requests' too
		}
		conn = secure.NetConn()
	}
	if counted, ok := conn.(*countedConn); ok {
		o.counted, o.before = counted, counted.written.Load()
	}
}

func (o *outbound) isConnected() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.conn != nil
}

// mayBeWhole tells that the whole request may have gone out. It is for when the
// transport has returned.
func (o *outbound) mayBeWhole() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	wrote := o.counted == nil || o.counted.written.Load() > o.before
	return o.conn != nil && wrote && o.body.taken()
}

// countedConn counts the bytes that were, or are just being, written.
type countedConn struct {
	net.Conn
	written atomic.Int64
	// closed is called once, at the first Close, unless it is nil.
	closed func()
	once   sync.Once
}

func (c *countedConn) Close() error {
	if c.closed != nil {
		c.once.Do(c.closed)
	}
	return c.Conn.Close()
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.written.Add(int64(len(p)))
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n - len(p)))
	return n, err
}
