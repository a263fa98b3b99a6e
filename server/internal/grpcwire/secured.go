package grpcwire

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"syscall"

	"google.golang.org/grpc/credentials"

	"github.com/scopegate/scopegate/server/internal/connlimit"
	"github.com/scopegate/scopegate/server/internal/logs"
)

// Secured are credentials that leave unix sockets in plain text. What a client can
// have a handshake hold is bounded and drawn for the connection, and that it failed is
// logged, which gRPC does not do.
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
	if taken, ok := raw.(*Accepted); ok {
		bounded.limited = taken.Conn
	}
	conn, auth, err := s.TransportCredentials.ServerHandshake(bounded)
	bounded.end()
	if err != nil {
		logRefusal(s.Log, raw.RemoteAddr(), err)
	}
	return conn, auth, err // as it is: gRPC compares it
}

// IsUnix reports whether the address is that of a unix socket.
func IsUnix(address net.Addr) bool { return address.Network() == "unix" }

// Clone returns a copy.
func (s *Secured) Clone() credentials.TransportCredentials {
	clone := *s
	clone.TransportCredentials = s.TransportCredentials.Clone()
	return &clone
}

// maxHandshakeBytes is several times what a long chain of certificates needs, and
// a fraction of what crypto/tls would hold of a client that has shown none yet.
const maxHandshakeBytes = 64 << 10

var errHandshakeTooLong = errors.New("the handshake is longer than 64 KiB")

// handshakeConn bounds what is read during a handshake, and draws it for the
// connection for as long as that lasts. It is read by one goroutine at a time, and
// ended before anybody reads what follows.
type handshakeConn struct {
	net.Conn
	limited   *connlimit.Conn
	leftBytes int
	over      bool
}

func (h *handshakeConn) Read(p []byte) (int, error) {
	if h.over {
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
	h.over = true
}

// logRefusal logs that a handshake failed. The error may quote a certificate of the
// client's.
func logRefusal(n *logs.Limiter, client net.Addr, err error) {
	attrs := []slog.Attr{slog.String("peer", client.String()), slog.String("error", err.Error())}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		n.Debug("TLS handshake broken off", attrs...) // to see whether the port is open, as load balancers do
		return
	}
	n.Warn("TLS handshake failed", attrs...)
}
