package testbed

import (
	"net"
	"sync"
	"testing"
)

// Door is a listener on an address of its own that can be shut and opened again,
// and that can slam connections.
type Door struct {
	mu       sync.Mutex
	changed  *sync.Cond
	addr     net.Addr
	listener net.Listener // nil while it is shut
	conns    map[net.Conn]struct{}
	slams    int
	closed   bool
}

// NewDoor returns a door that is open. It is closed when the test ends.
func NewDoor(tb testing.TB) *Door {
	tb.Helper()
	listener := Listen(tb, "tcp", ReserveAddress(tb))
	d := &Door{addr: listener.Addr(), listener: listener, conns: map[net.Conn]struct{}{}}
	d.changed = sync.NewCond(&d.mu)
	tb.Cleanup(func() { _ = d.Close() })
	return d
}

// Shut refuses connections from now on, and resets those that are there.
func (d *Door) Shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener != nil {
		_ = d.listener.Close()
		d.listener = nil
	}
	d.reset()
}

// Open takes connections again, at the same address.
func (d *Door) Open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.listener != nil {
		return nil
	}
	listener, err := net.Listen("tcp", d.addr.String()) //nolint:noctx // there is nothing to cancel
	if err != nil {
		return err
	}
	d.listener = listener
	d.changed.Broadcast()
	return nil
}

// Slam resets the connections that are there, and has the next ones, that many,
// end with bytes that are neither HTTP nor TLS.
func (d *Door) Slam(count int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.slams = count
	d.reset()
}

func (d *Door) reset() {
	for conn := range d.conns {
		reset(conn)
	}
	clear(d.conns)
}

// Accept waits, also while the door is shut.
func (d *Door) Accept() (net.Conn, error) {
	for {
		d.mu.Lock()
		for d.listener == nil && !d.closed {
			d.changed.Wait()
		}
		listener, closed := d.listener, d.closed
		d.mu.Unlock()
		if closed {
			return nil, net.ErrClosed
		}
		conn, err := listener.Accept()
		if err != nil {
			continue // it was shut or closed meanwhile
		}
		if conn = d.admit(conn); conn != nil {
			return conn, nil
		}
	}
}

func (d *Door) admit(conn net.Conn) net.Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.slams > 0 {
		d.slams--
		_, _ = conn.Write([]byte("220 smtp ready\r\n"))
		_ = conn.Close()
		return nil
	}
	counted := &doorConn{Conn: conn, door: d}
	d.conns[counted] = struct{}{}
	return counted
}

// Close shuts the door for good.
func (d *Door) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.changed.Broadcast()
	if d.listener == nil {
		return nil
	}
	return d.listener.Close()
}

// Addr is the same while the door is shut.
func (d *Door) Addr() net.Addr { return d.addr }

type doorConn struct {
	net.Conn
	door *Door
}

func (c *doorConn) Close() error {
	c.door.mu.Lock()
	delete(c.door.conns, c)
	c.door.mu.Unlock()
	return c.Conn.Close()
}

// reset closes the connection so that the other side sees it broken.
func reset(conn net.Conn) {
	if c, ok := conn.(*doorConn); ok {
		conn = c.Conn
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
