package rawh2

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// patience bounds the life of a connection. It is reached only if the test fails.
const patience = 2 * time.Minute

// deafBytes is the receive buffer of a client that does not read.
const deafBytes = 4 << 10

// writeBytes is the size of the write buffer.
const writeBytes = 16 << 10

// Conn is a connection. One goroutine may write and wait on it at a time.
type Conn struct {
	tcp    *net.TCPConn
	out    *bufio.Writer
	framer *http2.Framer
	err    error // of the first write that failed

	fields  bytes.Buffer
	encoder *hpack.Encoder
	nextID  uint32
	settled int // number of SETTINGS sent
	// sent is how many bytes of DATA were written, allowed the limit.
	sent, allowed int64

	mu      sync.Mutex
	changed *sync.Cond
	seen    seen
	reading sync.WaitGroup
}

// Dial connects to the server, sends the preface and empty SETTINGS, and begins to read.
// The connection is closed when the test ends.
func Dial(tb testing.TB, address string) *Conn {
	tb.Helper()
	c := DialSilent(tb, address)
	c.Begin()
	c.Listen()
	return c
}

// DialDeaf is Dial for a client that reads nothing before [Conn.Listen] and has a small
// receive buffer.
func DialDeaf(tb testing.TB, address string) *Conn {
	tb.Helper()
	c := DialSilent(tb, address)
	if err := c.tcp.SetReadBuffer(deafBytes); err != nil {
		tb.Fatalf("dial: %v", err)
	}
	c.Begin()
	return c
}

// Within sets a deadline for writes and reads.
func (c *Conn) Within(d time.Duration) {
	_ = c.tcp.SetDeadline(time.Now().Add(d)) // a closed connection fails anyway
}

// Begin sends the preface and empty SETTINGS.
func (c *Conn) Begin() {
	_, _ = c.Write([]byte(http2.ClientPreface))
	c.Frames(func(f *http2.Framer) error { return f.WriteSettings() })
	c.settled++
	c.Flush()
}

// DialSilent is DialDeaf for a client that does not even send the preface.
func DialSilent(tb testing.TB, address string) *Conn {
	tb.Helper()
	conn, err := new(net.Dialer).DialContext(tb.Context(), "tcp", address)
	if err != nil {
		tb.Fatalf("dial: %v", err)
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		tb.Fatalf("dial: a %T", conn)
	}
	if err := tcp.SetDeadline(time.Now().Add(patience)); err != nil {
		tb.Fatalf("dial: %v", err)
	}
	c := &Conn{tcp: tcp, out: bufio.NewWriterSize(tcp, writeBytes), nextID: 1}
	c.framer = http2.NewFramer(c.out, tcp)
	c.framer.AllowIllegalWrites = true
	c.encoder = hpack.NewEncoder(&c.fields)
	c.changed = sync.NewCond(&c.mu)
	c.seen.streams = map[uint32]*Stream{}
	tb.Cleanup(c.Close)
	return c
}

// Listen begins to read.
func (c *Conn) Listen() { c.reading.Go(c.read) }

// Close resets the connection, which discards data in flight. The state of its streams
// can still be read. Closing again does nothing.
func (c *Conn) Close() {
	_ = c.tcp.SetLinger(0)
	_ = c.tcp.Close()
	c.reading.Wait()
	c.err = net.ErrClosed
	c.out, c.framer, c.seen.streams = nil, nil, nil // frees memory
}

// Write writes bytes that need not be frames.
func (c *Conn) Write(b []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.out.Write(b)
	c.err = err
	return n, err
}

// Frames writes frames, which may need a Flush. After an error, such as that the server
// has closed the connection, it writes nothing.
func (c *Conn) Frames(write func(*http2.Framer) error) {
	if c.err == nil {
		c.err = write(c.framer)
	}
}

// Flush sends the buffered bytes.
func (c *Conn) Flush() {
	if c.err == nil {
		c.err = c.out.Flush()
	}
}

// Open opens a stream with these header fields, and leaves it open.
func (c *Conn) Open(fields []hpack.HeaderField) *Stream {
	return c.open(fields, false)
}

// OpenAndEnd opens a stream that ends with its header.
func (c *Conn) OpenAndEnd(fields []hpack.HeaderField) *Stream {
	return c.open(fields, true)
}

func (c *Conn) open(fields []hpack.HeaderField, ends bool) *Stream {
	s := c.newStream()
	block := c.Block(fields)
	c.Frames(func(f *http2.Framer) error {
		return f.WriteHeaders(http2.HeadersFrameParam{
			StreamID: s.ID, BlockFragment: block, EndHeaders: true, EndStream: ends,
		})
	})
	return s
}

func (c *Conn) newStream() *Stream {
	s := &Stream{ID: c.nextID, conn: c}
	c.nextID += 2
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen.streams[s.ID] = s
	return s
}

// Block returns the fields as HPACK, valid until the next call.
func (c *Conn) Block(fields []hpack.HeaderField) []byte {
	c.fields.Reset()
	for _, field := range fields {
		if err := c.encoder.WriteField(field); err != nil && c.err == nil {
			c.err = fmt.Errorf("encode header: %w", err)
		}
	}
	return c.fields.Bytes()
}

// Forget drops the state of a stream.
func (c *Conn) Forget(s *Stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.seen.streams, s.ID)
}
