package intake

import (
	"io"
	"net"
	"sync"
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
	counted *countedConn // nil where the connection is shared with other requests
	use     int64        // which of the connection's
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

// connected notes the connection that the request is sent through.
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

// abort closes the request's connection, unless it is another's by now or shared.
// Whatever is read from it then ends.
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

// mayBeWhole tells that the whole request may have gone out. It is for when the
// transport has returned.
func (o *outbound) mayBeWhole() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	wrote := o.counted == nil || o.counted.written.Load() > o.before
	return o.conn != nil && wrote && o.body.taken()
}
