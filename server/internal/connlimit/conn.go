package connlimit

import (
	"container/list"
	"net"
	"net/netip"
	"time"
)

// Conn is a connection that counts until it is closed. Its methods are safe for
// concurrent use, and those that it has beside a [net.Conn] do nothing where it is nil.
type Conn struct {
	net.Conn
	limiter *Limiter
	address netip.Prefix // invalid: none

	// Guarded by the limiter's mu:

	peer    *peer
	timer   *time.Timer
	bytes   int       // that it holds
	kind    int       // in the queue
	uses    int       // at a time
	streams int       // that are open
	since   time.Time // a stream was opened or has ended
	// place and peerPlace are where it stands in the queues; nil: it is closed.
	place, peerPlace *list.Element
}

// Draw draws what is held for the connection, or gives it back where the number is
// negative. What is left is given back when it is closed.
func (c *Conn) Draw(bytes int) {
	if c == nil {
		return
	}
	l := c.limiter
	l.mu.Lock()
	if c.place == nil {
		l.mu.Unlock()
		return
	}
	c.bytes += bytes
	var evicted []*Conn
	if c.kind != inUse {
		l.idleBytes += int64(bytes)
		evicted = l.lighten()
	}
	l.budget.Draw(bytes)
	l.mu.Unlock()
	l.closeAll(evicted)
}

// Enter says that a stream was opened on the connection, and Exit that it has ended.
// Connections whose last stream was opened longest ago are closed first.
func (c *Conn) Enter() { c.stream(1) }

// Exit is the opposite of Enter.
func (c *Conn) Exit() { c.stream(-1) }

func (c *Conn) stream(more int) {
	if c == nil {
		return
	}
	l := c.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	c.streams += more
	c.since = time.Now()
	if more > 0 && c.kind != inUse {
		l.move(c, c.kind)
	}
}

// Use says that the connection is used by somebody who may, until Release: it is not
// closed for others.
func (c *Conn) Use() {
	if c == nil {
		return
	}
	l := c.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.uses++; c.uses == 1 {
		l.move(c, inUse)
	}
}

// Release is the opposite of Use.
func (c *Conn) Release() {
	if c == nil {
		return
	}
	l := c.limiter
	l.mu.Lock()
	var evicted []*Conn
	if c.uses--; c.uses == 0 {
		l.move(c, idle)
		evicted = l.lighten()
	}
	l.mu.Unlock()
	l.closeAll(evicted)
}

// expire closes the connection if nobody has used it in time.
func (c *Conn) expire() {
	l := c.limiter
	l.mu.Lock()
	left := l.limits.UnusedTimeout - time.Since(c.since)
	if c.streams > 0 {
		left = l.limits.UnusedTimeout
	}
	switch {
	case c.place == nil, c.kind != unused:
		l.mu.Unlock()
		return
	case left > 0:
		c.timer.Reset(left)
		l.mu.Unlock()
		return
	}
	l.remove(c)
	l.counts.Unused++
	l.mu.Unlock()
	_ = c.Conn.Close() // whose it was sees that
}

// Close closes the connection.
func (c *Conn) Close() error {
	c.limiter.mu.Lock()
	c.limiter.remove(c)
	c.limiter.mu.Unlock()
	return c.Conn.Close()
}
