package rawh2

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	statusv1 "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Call returns the header of a gRPC call of that method.
func Call(path string) []hpack.HeaderField {
	return []hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "http"},
		{Name: ":path", Value: path},
		{Name: ":authority", Value: "hostile"},
		{Name: "content-type", Value: "application/grpc"},
		{Name: "te", Value: "trailers"},
	}
}

// Prefix returns the prefix of a message of that many bytes.
func Prefix(messageBytes uint32, compressed bool) []byte {
	prefix := make([]byte, 1, 5)
	if compressed {
		prefix[0] = 1
	}
	return binary.BigEndian.AppendUint32(prefix, messageBytes)
}

// Message returns the message with its prefix.
func Message(message []byte) []byte {
	return append(Prefix(uint32(len(message)), false), message...)
}

// firstWindowBytes is the initial window of a stream and of a connection (RFC 9113,
// section 6.9.2).
const firstWindowBytes = 1<<16 - 1

// Data writes the bytes in DATA frames of at most frameBytes each. It waits for the
// windows of the stream and the connection.
func (s *Stream) Data(tb testing.TB, b []byte, frameBytes int) {
	tb.Helper()
	for len(b) > 0 {
		n := min(len(b), frameBytes, s.room(tb))
		s.conn.Frames(func(f *http2.Framer) error { return f.WriteData(s.ID, false, b[:n]) })
		if s.conn.err != nil {
			return
		}
		b = b[n:]
		s.sent += int64(n)
		s.conn.sent += int64(n)
	}
}

// room returns how many bytes may be sent, at least one.
func (s *Stream) room(tb testing.TB) int {
	tb.Helper()
	if s.sent >= s.allowed || s.conn.sent >= s.conn.allowed {
		s.conn.Flush()
		s.conn.await(tb, "room in the window", func() bool {
			s.allowed = firstWindowBytes + s.granted
			s.conn.allowed = firstWindowBytes + s.conn.seen.window
			return s.sent < s.allowed && s.conn.sent < s.conn.allowed || s.ended || s.reset != nil
		})
	}
	return int(max(1, min(s.allowed-s.sent, s.conn.allowed-s.conn.sent)))
}

// End writes the end of the stream.
func (s *Stream) End() {
	s.conn.Frames(func(f *http2.Framer) error { return f.WriteData(s.ID, true, nil) })
}

// Cancel resets the stream.
func (s *Stream) Cancel() {
	s.conn.Frames(func(f *http2.Framer) error { return f.WriteRSTStream(s.ID, http2.ErrCodeCancel) })
}

// Status returns the gRPC status that ended the stream, or nil for OK. It fails the test
// if there is none.
func (s *Stream) Status(tb testing.TB) error {
	tb.Helper()
	fields := s.all()
	code, err := strconv.Atoi(fields["grpc-status"])
	if err != nil {
		tb.Fatalf("no gRPC status in %v", fields)
	}
	wire, err := base64.RawStdEncoding.DecodeString(fields["grpc-status-details-bin"])
	if err != nil {
		tb.Fatalf("status details: %v", err)
	}
	if len(wire) == 0 {
		return status.Error(codes.Code(code), fields["grpc-message"])
	}
	details := &statusv1.Status{}
	if err := proto.Unmarshal(wire, details); err != nil {
		tb.Fatalf("status details: %v", err)
	}
	return status.ErrorProto(details)
}
