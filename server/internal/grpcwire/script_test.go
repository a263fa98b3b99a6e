package grpcwire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"pgregory.net/rapid"

	"github.com/scopegate/scopegate/server/internal/grpcwire"
)

// purse is a budget that knows how little was ever drawn.
type purse struct {
	mu            sync.Mutex
	drawn, lowest int
}

func (p *purse) Draw(bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drawn += bytes
	p.lowest = min(p.lowest, p.drawn)
}

func (p *purse) drawnBytes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.drawn
}

// requireSettled fails the test unless all was given back, and no more than that.
func (p *purse) requireSettled(tb rapid.TB) {
	tb.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn != 0 || p.lowest != 0 {
		tb.Errorf("%d bytes are drawn at the end, and were %d at the lowest, want drawn 0 and lowest 0", p.drawn, p.lowest)
	}
}

// script is the other end of a connection: what it sends is read, what it is sent
// is kept.
type script struct {
	net.Conn // nil: nothing else is asked for
	sends    bytes.Buffer
	pieces   func(most int) int // how much is read at a time; nil: what there is
	sent     bytes.Buffer
	closed   int
}

var errClosed = errors.New("script is closed")

func (s *script) Read(p []byte) (int, error) {
	switch {
	case s.closed > 0:
		return 0, errClosed
	case s.sends.Len() == 0:
		return 0, io.EOF
	case s.pieces != nil:
		p = p[:min(len(p), s.pieces(s.sends.Len()))]
	}
	return s.sends.Read(p)
}

func (s *script) Write(p []byte) (int, error) { return s.sent.Write(p) }

func (s *script) SetWriteDeadline(time.Time) error { return nil }

func (s *script) Close() error {
	s.closed++
	return nil
}

// framer writes frames of any kind.
func framer(w io.Writer) *http2.Framer {
	f := http2.NewFramer(w, nil)
	f.AllowIllegalWrites = true
	return f
}

// frame returns the frame that write writes.
func frame(tb rapid.TB, write func(*http2.Framer) error) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := write(framer(&b)); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func headers(tb rapid.TB, stream uint32, ends bool) []byte {
	tb.Helper()
	return frame(tb, func(f *http2.Framer) error {
		return f.WriteHeaders(http2.HeadersFrameParam{
			StreamID: stream, EndHeaders: true, EndStream: ends,
		})
	})
}

func data(tb rapid.TB, stream uint32, ends bool, b []byte) []byte {
	tb.Helper()
	return frame(tb, func(f *http2.Framer) error { return f.WriteData(stream, ends, b) })
}

func reset(tb rapid.TB, stream uint32) []byte {
	tb.Helper()
	return frame(tb, func(f *http2.Framer) error { return f.WriteRSTStream(stream, http2.ErrCodeCancel) })
}

// widen returns a WINDOW_UPDATE of a stream.
func widen(tb rapid.TB, stream uint32, increment int) []byte {
	tb.Helper()
	return frame(tb, func(f *http2.Framer) error { return f.WriteWindowUpdate(stream, uint32(increment)) })
}

// message returns a gRPC message of that length, with its prefix.
func message(length int) []byte {
	prefix := binary.BigEndian.AppendUint32([]byte{0}, uint32(length))
	return append(prefix, bytes.Repeat([]byte{0xff}, length)...)
}

const (
	// streamBytes is what is drawn for a stream and goes on to be when it has ended,
	// and openBytes what is drawn beside that while it is open.
	streamBytes, openBytes = 128, 8 << 10
	// frameBytes is what is drawn for a small frame beside its payload.
	frameBytes = 64
	// headerBytes is the length of a frame's header.
	headerBytes = 9
)

// observed is a connection whose client follows a script.
type observed struct {
	*grpcwire.Conn
	script script
	purse  purse
	// partial is what was received of a frame that is not complete.
	partial []byte
	refused []error
}

func observe(limits grpcwire.Limits) *observed {
	o := &observed{}
	o.Conn = grpcwire.Observe(&o.script, limits, &o.purse, func(err error) { o.refused = append(o.refused, err) })
	return o
}

// greeted is observe behind the preface.
func greeted(tb rapid.TB, limits grpcwire.Limits) *observed {
	tb.Helper()
	o := observe(limits)
	o.receive(tb, []byte(http2.ClientPreface))
	o.partial = nil
	return o
}

// receive has the connection read what the client sends, frame by frame, so that none are
// joined. It must arrive as it is.
func (o *observed) receive(tb rapid.TB, sends ...[]byte) {
	tb.Helper()
	if err := o.tryReceive(tb, sends...); err != nil {
		tb.Fatal(err)
	}
}

func (o *observed) tryReceive(tb rapid.TB, sends ...[]byte) error {
	tb.Helper()
	for rest := bytes.Join(sends, nil); ; {
		start := slices.Concat(o.partial, rest[:min(len(rest), headerBytes)])
		n := min(len(rest), frameEnd(start)-len(o.partial))
		part := rest[:n]
		rest = rest[n:]
		if o.partial = append(o.partial, part...); len(o.partial) == frameEnd(o.partial) {
			o.partial = nil
		}
		o.script.sends.Write(part)
		got, err := io.ReadAll(o.Conn)
		if err == nil && !bytes.Equal(got, part) {
			tb.Fatalf("read %x, want %x as it was sent", got, part)
		}
		if err != nil || len(rest) == 0 {
			return err
		}
	}
}

// frameEnd returns the length of the frame at the start of b, with its header. If the header
// is incomplete, that is more than b has.
func frameEnd(b []byte) int {
	if len(b) < headerBytes {
		return headerBytes
	}
	return headerBytes + int(b[0])<<16 + int(b[1])<<8 + int(b[2])
}

func (o *observed) send(tb rapid.TB, sends ...[]byte) {
	tb.Helper()
	for _, b := range sends {
		o.script.sent.Reset()
		if n, err := o.Write(b); n != len(b) || err != nil || !bytes.Equal(o.script.sent.Bytes(), b) {
			tb.Fatalf("wrote %x as %x: %d, %v, want it as it is", b, o.script.sent.Bytes(), n, err)
		}
	}
}

// end closes the connection, and checks what is left.
func (o *observed) end(tb rapid.TB) {
	tb.Helper()
	if err := o.Close(); err != nil {
		tb.Error(err)
	}
	o.purse.requireSettled(tb)
}
