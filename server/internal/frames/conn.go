package frames

import (
	"net"
	"sync"
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
}

// DefaultSmallFrames leaves room for any client that sends a message as it has it,
// and lets one that sends single bytes hold 260 KiB.
const DefaultSmallFrames = 4096

// Budget is what is drawn from. Drawing a negative number gives back.
type Budget interface {
	Draw(bytes int)
}

// Conn is a server's connection that is observed.
type Conn struct {
	net.Conn
	observer observer
	refused  func(error)
	tell     sync.Once
}

// Observe returns a connection that reads and writes what conn does, and must be
// used in its place: closing it closes conn and gives back what was drawn. What is
// read must be what a client of HTTP/2 sends, in plain text, from the preface on.
//
// Once a client exceeds a limit, refused is called with a [*SmallFramesError] or a
// [*StreamsError], conn is closed, and Read returns the error.
func Observe(conn net.Conn, limits Limits, budget Budget, refused func(error)) *Conn {
	return &Conn{Conn: conn, observer: observer{limits: limits, budget: budget}, refused: refused}
}

// Read reads what the client has sent.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if ended := c.observer.receive(p[:n]); ended != nil {
		c.tell.Do(func() {
			c.refused(ended)
			_ = c.Close() // why it is closed says more than how that went
		})
		return 0, ended
	}
	return n, err
}

// Write writes what the server sends.
func (c *Conn) Write(p []byte) (int, error) {
	// First, as writing may take for as long as the client likes.
	c.observer.send(p)
	return c.Conn.Write(p)
}

// Close closes the connection. It may be called again, and returns what conn does.
func (c *Conn) Close() error {
	c.observer.close()
	return c.Conn.Close()
}
