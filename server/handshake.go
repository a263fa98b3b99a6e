package server

import (
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/credentials"

	"github.com/scopegate/scopegate/server/internal/frames"
	"github.com/scopegate/scopegate/server/internal/memory"
)

// observing are credentials whose connections are observed in plain text, behind
// their own handshake: what small frames hold is drawn from the budget.
type observing struct {
	credentials.TransportCredentials
	streams     int // that a client may have open in a connection
	windowBytes int // of a stream
	budget      *memory.Budget
	noise       *noise
	ended       prometheus.Counter // connections that were ended for what they hold
}

// ServerHandshake returns the connection that gRPC reads.
func (o *observing) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, auth, err := o.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return conn, auth, err // as it is: gRPC compares it
	}
	limits := frames.Limits{
		Streams: o.streams, SmallFrames: frames.DefaultSmallFrames,
		UpdateBytes: o.windowBytes / 4, // so gRPC does it
	}
	return frames.Observe(conn, limits, o.budget, func(err error) {
		o.ended.Inc()
		o.noise.log(slog.LevelInfo, "connection ended", slog.String("peer", raw.RemoteAddr().String()), slog.String("error", err.Error()))
	}), auth, nil
}

// Clone returns a copy.
func (o *observing) Clone() credentials.TransportCredentials {
	clone := *o
	clone.TransportCredentials = o.TransportCredentials.Clone()
	return &clone
}
