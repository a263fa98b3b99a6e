package connlimit

import (
	"container/list"
	"net"
	"net/netip"
	"time"
)

// Conn is a connection that counts until it is closed. Its methods are safe for
// concurrent use. The methods that [net.Conn] lacks do nothing if it is nil or closed.
type Conn struct {
	net.Conn
	limiter *Limiter
	address netip.Prefix // invalid if it has none

	// Guarded by the limiter's mu:

	timer   *time.Timer // closes it if it stays unused
	bytes   int         // held for it
	uses    int         // calls of Use without their Release
	streams int         // open streams
	since   time.Time   // when a stream last opened or ended
	kind    kind
	place   *list.Element // among its kind; nil once it is closed
}

// Draw draws bytes that are held for the connection, or gives them back if negative.
// Close gives back the rest.
func (c *Conn) Draw(bytes int) {
	c.update(func() {
		c.bytes += bytes
		if c.kind != inUse {
			c.limiter.idleBytes += int64(bytes)
		}
		c.limiter.budget.Draw(bytes)
	})
}

// Enter records that a stream was opened on the connection. The connections whose last
// stream was opened longest ago are closed first.
func (c *Conn) Enter() {
	c.update(func() {
		c.streams++
		c.since = time.Now()
		if c.kind != inUse {
			c.limiter.move(c, c.kind)
		}
	})
}

// Exit records that a stream has ended.
func (c *Conn) Exit() {
	c.update(func() {
		c.streams--
		c.since = time.Now()
	})
}

// Use records that an authorized client uses the connection until Release. Until then it
// is closed to make room only if EvictUsed is set.
func (c *Conn) Use() {
	c.update(func() {
		if c.uses++; c.uses == 1 {
			c.limiter.move(c, inUse)
		}
	})
}

// Release ends one Use.
func (c *Conn) Release() {
	c.update(func() {
		if c.uses--; c.uses == 0 {
			c.limiter.move(c, released)
		}
	})
}

// update makes a change, and closes the connections that then exceed the limits.
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

// expire closes the connection if it was never used and has had no stream for
// UnusedTimeout. Otherwise it sets the timer again.
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
		_ = c.Conn.Close() // its reader notices
	}
}

// Close closes the connection.
func (c *Conn) Close() error {
	c.limiter.mu.Lock()
	c.limiter.remove(c)
	c.limiter.mu.Unlock()
	return c.Conn.Close()
}
