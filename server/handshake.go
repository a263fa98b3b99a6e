package server

import (
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/credentials"

	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/logs"
)

// answerPatience is how long a client may take no answers.
const answerPatience = 20 * time.Second

// observing are credentials whose connections are observed in plain text, behind
// their own handshake: what gRPC holds for streams, and for what is not read or can't
// be written, is drawn for the connection.
type observing struct {
	credentials.TransportCredentials
	streams         int // that a client may have open in a connection
	windowBytes     int // of a stream
	headerListBytes int // of a request
	limitedLog      *logs.Limiter
	ended           prometheus.Counter // connections that were ended for what they hold
}

// ServerHandshake returns the connection that gRPC reads, and its [grpcwire.Line].
func (o *observing) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, auth, err := o.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return conn, auth, err // as it is: gRPC compares it
	}
	limits := grpcwire.Limits{
		Streams: o.streams, SmallFrames: grpcwire.DefaultSmallFrames,
		UpdateBytes:     o.windowBytes / 4, // so gRPC does it
		HeaderListBytes: o.headerListBytes,
		Patience:        answerPatience,
	}
	over := &grpcwire.Line{AuthInfo: auth}
	if taken, ok := raw.(*connection); ok {
		over.Conn = taken.Conn
	}
	return grpcwire.Observe(conn, limits, over.Conn, func(err error) {
		o.ended.Inc()
		o.limitedLog.Info("connection ended",
			slog.String("peer", raw.RemoteAddr().String()), slog.String("error", err.Error()))
	}), over, nil
}

// Clone returns a copy.
func (o *observing) Clone() credentials.TransportCredentials {
	clone := *o
	clone.TransportCredentials = o.TransportCredentials.Clone()
	return &clone
}
