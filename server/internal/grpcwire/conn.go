package grpcwire

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/scopegate/scopegate/server/internal/connlimit"
)

// Limits limit one connection. All are required.
type Limits struct {
	// Streams is gRPC's limit of open streams (SETTINGS_MAX_CONCURRENT_STREAMS).
	Streams int
	// SmallFrames limits the frames of up to 1 KiB of all incomplete messages. Every 256
	// bytes of those messages allow one more.
	SmallFrames int
	// UpdateBytes is the most that gRPC reads of a stream before it widens the stream's
	// window: a quarter of the window.
	UpdateBytes int
	// HeaderListBytes is gRPC's limit of a request's header fields
	// (SETTINGS_MAX_HEADER_LIST_SIZE).
	HeaderListBytes int
	// Patience limits how long a client may leave no room for answers, and how long one
	// write may take.
	Patience time.Duration
}

// DefaultSmallFrames is enough for any client that does not split its messages. A client
// that sends single bytes can hold 260 KiB.
const DefaultSmallFrames = 4096

// Conn is an observed connection of a server. One goroutine at a time may read, and one
// write.
type Conn struct {
	net.Conn
	observer observer
	onEnd    func(error)
	ended    sync.Once
	rest     []byte // read from the connection but not yet returned
	joiner   joiner
}

// Observe returns a connection to use instead of conn. Closing it closes conn and returns
// what was drawn. A client of HTTP/2 must be sending, in plain text, from the preface.
//
// When the client exceeds a limit, onEnd is called with a [*SmallFramesError], a
// [*StreamsError], an [*OrderError] or a [*StuckError], and conn is closed. A Read that
// detects it returns the error.
func Observe(conn net.Conn, limits Limits, budget connlimit.Budget, onEnd func(error)) *Conn {
	c := &Conn{Conn: conn, onEnd: onEnd, joiner: newJoiner()}
	c.observer = observer{
		limits: limits, budget: budget,
		answers: answers{connection: initialWindow, initial: initialWindow},
		stuck:   func() { c.end(&StuckError{Patience: limits.Patience}) },
	}
	c.observer.written = sync.NewCond(&c.observer.mu)
	return c
}

// Read returns only a few requests at a time and, during a write, limits how many answers
// are queued.
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
			n = len(c.joiner.join(p[:n]))
		}
		passed, ended := c.observer.receive(p[:n])
		switch {
		case ended != nil:
			c.end(ended)
			return 0, ended
		case kept:
			c.keep(c.rest[passed:])
		case passed < n:
			c.keep(bytes.Clone(p[passed:n]))
			err = nil // it comes again
		}
		if passed > 0 || n == 0 {
			return passed, err
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

// Write writes p, which the observer sees first.
func (c *Conn) Write(p []byte) (int, error) {
	c.observer.send(p) // first, because the write may take long
	// Setting a deadline only fails if the connection is closed.
	_ = c.SetWriteDeadline(time.Now().Add(c.observer.limits.Patience))
	n, err := c.Conn.Write(p)
	_ = c.SetWriteDeadline(time.Time{}) // TLS may write by itself at any time
	c.observer.sent()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.observer.stuck()
	case err != nil:
		_ = c.Close() // reads could not be answered
	}
	return n, err
}

// end reports why and closes the connection.
func (c *Conn) end(why error) {
	c.ended.Do(func() {
		c.onEnd(why)
		_ = c.Close()
	})
}

// Close closes the connection. Closing again returns what conn's Close does.
func (c *Conn) Close() error {
	c.observer.close()
	return c.Conn.Close()
}

// SmallFramesError means that incomplete messages came in too many small frames.
type SmallFramesError struct {
	Frames       int   // of all streams
	MessageBytes int64 // of those messages so far, with prefixes
}

func (e *SmallFramesError) Error() string {
	return fmt.Sprintf("%d bytes of incomplete messages came in %d small frames", e.MessageBytes, e.Frames)
}

// StreamsError means that the client has far more streams open than it may.
type StreamsError struct {
	Streams int
}

func (e *StreamsError) Error() string {
	return fmt.Sprintf("%d streams are open", e.Streams)
}

// OrderError means that a stream was opened out of order or used before it was opened, which
// is a connection error (RFC 9113, section 5.1). Afterwards it is unknown which stream an
// answer ends.
type OrderError struct {
	Stream uint32
}

func (e *OrderError) Error() string {
	return fmt.Sprintf("a frame of stream %d came out of order", e.Stream)
}

// StuckError means that the client accepted no answers, for Patience, or while it opened
// Asked streams.
type StuckError struct {
	Patience time.Duration
	Asked    int
}

func (e *StuckError) Error() string {
	if e.Asked > 0 {
		return fmt.Sprintf("%d streams were opened while answers could not be sent", e.Asked)
	}
	return fmt.Sprintf("answers could not be sent for %v", e.Patience)
}
