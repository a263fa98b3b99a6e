package connlimit

import (
	"container/list"
	"net"
	"net/netip"
	"time"
)

// Conn is a connection that counts until it is closed. Its methods are safe for
// concurrent use. Those that it has beside a [net.Conn] do nothing if it is nil or closed.
type Conn struct {
	net.Conn
	limiter *Limiter
	address netip.Prefix // invalid: none

	// Guarded by the limiter's mu:

	timer   *time.Timer // closes it if it stays unused
	bytes   int         // that it holds
	uses    int         // at a time
	streams int         // that are open
	since   time.Time   // a stream was opened or has ended
	kind    kind
	place   *list.Element // among its kind; nil: it is closed
}

// Draw draws what is held for the connection, or gives it back where the number is
// negative. What is left is given back when it is closed.
func (c *Conn) Draw(bytes int) {
	c.update(func() {
		c.bytes += bytes
		if c.kind != inUse {
			c.limiter.idleBytes += int64(bytes)
		}
		c.limiter.budget.Draw(bytes)
	})
}

// Enter says that a stream was opened on the connection, and Exit that it has ended.
// Connections whose last stream was opened longest ago are closed first.
func (c *Conn) Enter() {
	c.update(func() {
		c.streams++
		c.since = time.Now()
		if c.kind != inUse {
			c.limiter.move(c, c.kind)
		}
	})
}

// Exit is the opposite of Enter.
func (c *Conn) Exit() {
	c.update(func() {
		c.streams--
		c.since = time.Now()
	})
}

// Use says that somebody who may uses the connection until Release. Until then it is not
// closed to make room.
func (c *Conn) Use() {
	c.update(func() {
		if c.uses++; c.uses == 1 {
			c.limiter.move(c, inUse)
		}
	})
}

// Release is the opposite of Use.
func (c *Conn) Release() {
	c.update(func() {
		if c.uses--; c.uses == 0 {
			c.limiter.move(c, idle)
		}
	})
}

// update makes a change, and closes the connections that have to be closed then.
func (c *Conn) update(change func()) {
	if c == nil {
		return
	}
	l := c.limiter
	l.mu.Lock()
	if c.place == nil {
		l.mu.Unlock()
		return
	}
	change()
	evicted := l.evictHeavy()
	l.mu.Unlock()
	l.closeEvicted(evicted)
}

// expire closes the connection if it was never used, and has had no stream for the time
// that this may last.
func (c *Conn) expire() {
	expired := false
	c.update(func() {
		left := c.limiter.limits.UnusedTimeout
		if c.streams == 0 {
			left -= time.Since(c.since)
		}
		switch {
		case c.kind != unused:
		case left > 0:
			c.timer.Reset(left)
		default:
			c.limiter.remove(c)
			c.limiter.counts.Unused++
			expired = true
		}
	})
	if expired {
		_ = c.Conn.Close() // its reader sees that
	}
}

// Close closes the connection.
func (c *Conn) Close() error {
	c.limiter.mu.Lock()
	c.limiter.remove(c)
	c.limiter.mu.Unlock()
	return c.Conn.Close()
}
