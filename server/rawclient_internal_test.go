package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// rawClient sends any frames to a server.
type rawClient struct {
	net.Conn
	*http2.Framer
	out bytes.Buffer
}

// dialRaw opens a connection, and stream 1 in it for an upload, whose first message
// begins.
func dialRaw(t *testing.T, address string) *rawClient {
	t.Helper()
	return beginRaw(t, dialTCP(t, address))
}

// dialSilent opens a connection, and stream 1 in it for an upload.
func dialSilent(t *testing.T, address string) *rawClient {
	t.Helper()
	return openRaw(t, dialTCP(t, address))
}

func dialTCP(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// awaitEnd reads until the server has ended the connection.
func awaitEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, conn)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		t.Error(err)
	}
}

// beginRaw opens stream 1 in a connection, for an upload, whose first message begins.
func beginRaw(t *testing.T, conn net.Conn) *rawClient {
	t.Helper()
	c := openRaw(t, conn)
	c.flush(t, c.WriteData(1, false, binary.BigEndian.AppendUint32([]byte{0}, 4<<20)))
	return c
}

// openRaw opens stream 1 in a connection, for an upload.
func openRaw(t *testing.T, conn net.Conn) *rawClient {
	t.Helper()
	c := &rawClient{Conn: conn}
	c.open(t, symdbv1.SymbolDatabaseService_UploadScopes_FullMethodName)
	return c
}

// open opens stream 1 in a connection that is not used yet.
func (c *rawClient) open(t *testing.T, path string) {
	t.Helper()
	c.Framer = http2.NewFramer(&c.out, c.Conn)
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range []hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "http"},
		{Name: ":path", Value: path},
		{Name: ":authority", Value: "raw"},
		{Name: "content-type", Value: "application/grpc"},
		{Name: "te", Value: "trailers"},
	} {
		if err := encoder.WriteField(field); err != nil {
			t.Fatal(err)
		}
	}
	c.out.WriteString(http2.ClientPreface)
	c.flush(t,
		c.WriteSettings(),
		c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}),
	)
}

// flush sends what was written.
func (c *rawClient) flush(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if _, err := c.out.WriteTo(c.Conn); err != nil {
		t.Fatal(err)
	}
}

// single sends that many frames of one byte.
func (c *rawClient) single(t *testing.T, count int) {
	t.Helper()
	c.writeSingle(t, count)
	c.flush(t)
}

// writeSingle is single without sending.
func (c *rawClient) writeSingle(t *testing.T, count int) {
	t.Helper()
	for range count {
		if err := errors.Join(c.WriteData(1, false, []byte{0}), c.writeBetween()); err != nil {
			t.Fatal(err)
		}
	}
}

// writeBetween writes a frame that means nothing, so that the frames of data before and after
// it are not joined.
func (c *rawClient) writeBetween() error { return c.WriteRawFrame(0xff, 0, 1, nil) }

// settle returns when the server has read what was sent.
func (c *rawClient) settle(t *testing.T) {
	t.Helper()
	c.flush(t, c.WritePing(false, [8]byte{1}))
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if ping, ok := frame.(*http2.PingFrame); ok && ping.IsAck() {
			return
		}
	}
}
