package testbed

import (
	"net"
	"sync"
	"testing"
)

// Door is a listener that can be shut and opened again at the same address, and that can
// slam connections.
type Door struct {
	mu       sync.Mutex
	changed  *sync.Cond
	addr     net.Addr
	listener net.Listener // nil while it is shut
	conns    map[net.Conn]struct{}
	slams    int
	closed   bool
}

// NewDoor returns an open door. It is closed when the test ends.
func NewDoor(tb testing.TB) *Door {
	tb.Helper()
	listener := Listen(tb, "tcp", ReserveAddress(tb))
	d := &Door{addr: listener.Addr(), listener: listener, conns: map[net.Conn]struct{}{}}
	d.changed = sync.NewCond(&d.mu)
	tb.Cleanup(func() { _ = d.Close() })
	return d
}

// Shut refuses connections from now on, and resets existing ones.
func (d *Door) Shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener != nil {
		_ = d.listener.Close()
		d.listener = nil
	}
	d.reset()
}

// Open accepts connections again.
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

// Slam resets the existing connections, and ends that many of the next ones with bytes
// that are neither HTTP nor TLS.
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

// Accept waits, even while the door is shut.
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
			continue // it was shut or closed
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

// Addr returns the address, also while the door is shut.
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

// reset closes the connection with a reset.
func reset(conn net.Conn) {
	if c, ok := conn.(*doorConn); ok {
		conn = c.Conn
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
