package grpcwire

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"syscall"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/scopegate/scopegate/server/internal/connlimit"
	"github.com/scopegate/scopegate/server/internal/logs"
)

// Secured are credentials that leave unix sockets in plain text. They limit the memory of a
// handshake, draw it for the connection, and log failures, which gRPC does not.
type Secured struct {
	credentials.TransportCredentials
	Plain credentials.TransportCredentials // of unix sockets
	Log   *logs.Limiter
}

// ServerHandshake returns a connection that reads and writes plain text.
func (s *Secured) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if IsUnix(raw.LocalAddr()) {
		return s.Plain.ServerHandshake(raw)
	}
	bounded := &handshakeConn{Conn: raw, leftBytes: maxHandshakeBytes}
	if accepted, ok := raw.(*Accepted); ok {
		bounded.limited = accepted.Conn
	}
	conn, auth, err := s.TransportCredentials.ServerHandshake(bounded)
	bounded.end()
	if err != nil {
		logRefusal(s.Log, raw.RemoteAddr(), err)
	}
	return conn, auth, err // not wrapped: gRPC compares it
}

// IsUnix reports whether the address is that of a unix socket.
func IsUnix(address net.Addr) bool { return address.Network() == "unix" }

// Clone returns a copy.
func (s *Secured) Clone() credentials.TransportCredentials {
	clone := *s
	clone.TransportCredentials = s.TransportCredentials.Clone()
	return &clone
}

// maxHandshakeBytes is several times the length of a long certificate chain, and a fraction
// of what crypto/tls would hold of an unknown client.
const maxHandshakeBytes = 64 << 10

var errHandshakeTooLong = errors.New("the handshake is longer than 64 KiB")

// handshakeConn limits the bytes read during a handshake, and draws them for the connection
// until end.
type handshakeConn struct {
	net.Conn
	limited   *connlimit.Conn
	leftBytes int
	ended     bool
}

func (h *handshakeConn) Read(p []byte) (int, error) {
	if h.ended {
		return h.Conn.Read(p)
	}
	if h.leftBytes == 0 {
		return 0, errHandshakeTooLong
	}
	n, err := h.Conn.Read(p[:min(len(p), h.leftBytes)])
	h.leftBytes -= n
	h.limited.Draw(n)
	return n, err
}

func (h *handshakeConn) end() {
	h.limited.Draw(h.leftBytes - maxHandshakeBytes)
	h.ended = true
}

// logRefusal logs a failed handshake. The error may quote the client's certificate.
func logRefusal(log *logs.Limiter, client net.Addr, err error) {
	attrs := []slog.Attr{slog.String("peer", client.String()), slog.String("error", err.Error())}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		log.Debug("TLS handshake aborted", attrs...) // load balancers do so to see whether the port is open
		return
	}
	log.Warn("TLS handshake failed", attrs...)
}

// answerPatience is [Limits.Patience].
const answerPatience = 20 * time.Second

// Observing are credentials that observe connections after the handshake, see [Observe].
type Observing struct {
	credentials.TransportCredentials
	Streams         int // of a connection
	WindowBytes     int // of a stream
	HeaderListBytes int // of a request
	Log             *logs.Limiter
	Ended           interface{ Inc() } // counts connections that exceeded a limit
}

// ServerHandshake returns the connection that gRPC reads, and its [*Line].
func (o *Observing) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, auth, err := o.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return conn, auth, err // not wrapped: gRPC compares it
	}
	limits := Limits{
		Streams: o.Streams, SmallFrames: DefaultSmallFrames,
		UpdateBytes:     o.WindowBytes / 4, // as in gRPC
		HeaderListBytes: o.HeaderListBytes,
		Patience:        answerPatience,
	}
	line := &Line{AuthInfo: auth}
	if accepted, ok := raw.(*Accepted); ok {
		line.Conn = accepted.Conn
	}
	return Observe(conn, limits, line.Conn, func(err error) {
		o.Ended.Inc()
		o.Log.Info("connection ended",
			slog.String("peer", raw.RemoteAddr().String()), slog.String("error", err.Error()))
	}), line, nil
}

// Clone returns a copy.
func (o *Observing) Clone() credentials.TransportCredentials {
	clone := *o
	clone.TransportCredentials = o.TransportCredentials.Clone()
	return &clone
}
