package grpcwire

import (
	"bytes"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// Limits bounds what a client may have on one connection. All are required.
type Limits struct {
	// Streams is how many streams gRPC lets a client have open
	// (SETTINGS_MAX_CONCURRENT_STREAMS).
	Streams int
	// SmallFrames is how many small frames, of up to 1 KiB, the messages that are
	// not complete may have come in, all together. For each 256 bytes of those
	// messages there may be one more.
	SmallFrames int
	// UpdateBytes is how much gRPC reads of a stream, at most, before it widens the
	// stream's window: a quarter of that.
	UpdateBytes int
	// HeaderListBytes is how long gRPC lets the fields of a request be
	// (SETTINGS_MAX_HEADER_LIST_SIZE).
	HeaderListBytes int
	// Patience is how long a client may leave no room for answers, and how long one
	// write may take.
	Patience time.Duration
}

// DefaultSmallFrames leaves room for any client that sends a message as it has it,
// and lets one that sends single bytes hold 260 KiB.
const DefaultSmallFrames = 4096

// Budget is what is drawn from. Drawing a negative number gives back.
type Budget interface {
	Draw(bytes int)
}

// Conn is a server's connection that is observed. One goroutine at a time may read,
// and one write.
type Conn struct {
	net.Conn
	observer observer
	refused  func(error)
	tell     sync.Once
	rest     []byte // what was read and is not to be handed on yet
}

// Observe returns a connection that reads and writes what conn does, and must be
// used in its place: closing it closes conn and gives back what was drawn. What is
// read must be what a client of HTTP/2 sends, in plain text, from the preface on.
//
// Once a client exceeds a limit, refused is called with a [*SmallFramesError], a
// [*StreamsError], an [*OrderError] or a [*StuckError], and conn is closed. A Read that finds that out
// returns the error.
func Observe(conn net.Conn, limits Limits, budget Budget, refused func(error)) *Conn {
	c := &Conn{Conn: conn, refused: refused}
	c.observer = observer{
		limits: limits, budget: budget,
		answers: answers{connection: firstWindow, initial: firstWindow},
		stuck:   func() { c.end(&StuckError{Patience: limits.Patience}) },
	}
	c.observer.written = sync.NewCond(&c.observer.mu)
	return c
}

// Read reads what the client has sent. It hands on few requests at a time, and, while the
// server can't write, only so much that a bounded number of answers is queued.
func (c *Conn) Read(p []byte) (int, error) {
	for {
		var n int
		var err error
		kept := len(c.rest) > 0
		if kept {
			if !c.observer.awaitSent() {
				return 0, net.ErrClosed
			}
			n = copy(p, c.rest)
		} else {
			n, err = c.Conn.Read(p)
		}
		taken, ended := c.observer.receive(p[:n])
		switch {
		case ended != nil:
			c.end(ended)
			return 0, ended
		case kept:
			c.keep(c.rest[taken:])
		case taken < n:
			c.keep(bytes.Clone(p[taken:n]))
			err = nil // it comes again
		}
		if taken > 0 || n == 0 {
			return taken, err
		}
	}
}

func (c *Conn) keep(rest []byte) {
	if len(rest) == 0 {
		rest = nil
	}
	c.rest = rest
	c.observer.keep(cap(rest))
}

// Write writes what the server sends.
func (c *Conn) Write(p []byte) (int, error) {
	// First, as writing may take for as long as the client likes.
	c.observer.send(p)
	// One that can't be set is of a connection that is closed.
	_ = c.SetWriteDeadline(time.Now().Add(c.observer.limits.Patience))
	n, err := c.Conn.Write(p)
	_ = c.SetWriteDeadline(time.Time{}) // TLS may have to answer by itself, at any time
	c.observer.sent()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.observer.stuck()
	case err != nil:
		_ = c.Close() // so that nothing is read any more that can't be answered
	}
	return n, err
}

// end closes the connection, and tells why.
func (c *Conn) end(why error) {
	c.tell.Do(func() {
		c.refused(why)
		_ = c.Close() // why it is closed says more than how that went
	})
}

// Close closes the connection. It may be called again, and returns what conn does.
func (c *Conn) Close() error {
	c.observer.close()
	return c.Conn.Close()
}
