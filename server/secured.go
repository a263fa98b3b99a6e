package server

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"syscall"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/scopegate/scopegate/server/internal/logs"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/text"
)

// secured are credentials that leave unix sockets in plain text. What a client can
// have a handshake hold is bounded and drawn from the budget, and that it failed is
// logged, which gRPC does not do.
type secured struct {
	credentials.TransportCredentials
	plain    credentials.TransportCredentials
	budget   *memory.Budget
	refusals *refusals
}

// ServerHandshake returns a connection that reads and writes plain text.
func (s *secured) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if isUnix(raw.LocalAddr()) {
		return s.plain.ServerHandshake(raw)
	}
	bounded := &handshakeConn{Conn: raw, budget: s.budget, leftBytes: maxHandshakeBytes}
	conn, auth, err := s.TransportCredentials.ServerHandshake(bounded)
	bounded.end()
	if err != nil {
		s.refusals.log(raw.RemoteAddr(), err)
	}
	return conn, auth, err // as it is: gRPC compares it
}

func isUnix(address net.Addr) bool { return address.Network() == "unix" }

// Clone returns a copy.
func (s *secured) Clone() credentials.TransportCredentials {
	clone := *s
	clone.TransportCredentials = s.TransportCredentials.Clone()
	return &clone
}

// maxHandshakeBytes is several times what a long chain of certificates needs, and
// a fraction of what crypto/tls would hold of a client that has shown none yet.
const maxHandshakeBytes = 64 << 10

var errHandshakeTooLong = errors.New("the handshake is longer than 64 KiB")

// handshakeConn bounds what is read during a handshake, and draws it from the
// budget for as long as that lasts. It is read by one goroutine at a time, and
// ended before anybody reads what follows.
type handshakeConn struct {
	net.Conn
	budget    *memory.Budget
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
	h.budget.Draw(n)
	return n, err
}

func (h *handshakeConn) end() {
	h.budget.Draw(h.leftBytes - maxHandshakeBytes)
	h.over = true
}

// refusals logs some of the handshakes that failed: anybody can have as many fail as
// they like.
type refusals struct {
	logger *slog.Logger
	noise  logs.Sampler
}

// log writes of the error, which may quote a certificate of the client's, as much as
// of anything that a client has chosen.
func (r *refusals) log(peer net.Addr, err error) {
	attrs := []any{slog.String("peer", peer.String()), slog.String("error", text.Clip(err.Error()))}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		// One that looks whether the port is open, as load balancers do.
		r.logger.Debug("TLS handshake failed", attrs...)
		return
	}
	if unlogged, ok := r.noise.Take(time.Now()); ok {
		r.logger.Warn("TLS handshake failed", append(attrs, slog.Int("unlogged", unlogged))...)
	}
}
