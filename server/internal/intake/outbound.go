package intake

import (
	"io"
	"net"
	"sync"
)

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
	o.body, o.conn, o.counted = f.body(), nil, nil
	return o.body
}

// closeBody stops the transport from reading, which it may still do after it returned.
func (o *outbound) closeBody() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.body != nil {
		_ = o.body.Close()
	}
}

// connected records the connection on which the request is sent.
func (o *outbound) connected(conn net.Conn) {
	bottom, shared := counted(conn)
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

// abort closes the connection of the request, and so ends all reads from it. It leaves a
// connection alone that is shared, or that another request uses by now.
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

// mayBeSent reports whether the whole request may have been sent. Call it after the
// transport has returned.
func (o *outbound) mayBeSent() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	wrote := o.counted == nil || o.counted.written.Load() > o.before
	return o.conn != nil && wrote && o.body.wasRead()
}
