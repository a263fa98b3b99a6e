package grpcwire

import (
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/scopegate/scopegate/server/internal/logs"
)

// answerPatience is how long a client may take no answers.
const answerPatience = 20 * time.Second

// Observing are credentials whose connections are observed in plain text, behind
// their own handshake: what gRPC holds for streams, and for what is not read or can't
// be written, is drawn for the connection.
type Observing struct {
	credentials.TransportCredentials
	Streams         int // that a client may have open in a connection
	WindowBytes     int // of a stream
	HeaderListBytes int // of a request
	Log             *logs.Limiter
	Ended           interface{ Inc() } // connections that were ended for what they hold
}

// ServerHandshake returns the connection that gRPC reads, and its [*Line].
func (o *Observing) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, auth, err := o.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return conn, auth, err // as it is: gRPC compares it
	}
	limits := Limits{
		Streams: o.Streams, SmallFrames: DefaultSmallFrames,
		UpdateBytes:     o.WindowBytes / 4, // so gRPC does it
		HeaderListBytes: o.HeaderListBytes,
		Patience:        answerPatience,
	}
	over := &Line{AuthInfo: auth}
	if taken, ok := raw.(*Accepted); ok {
		over.Conn = taken.Conn
	}
	return Observe(conn, limits, over.Conn, func(err error) {
		o.Ended.Inc()
		o.Log.Info("connection ended",
			slog.String("peer", raw.RemoteAddr().String()), slog.String("error", err.Error()))
	}), over, nil
}

// Clone returns a copy.
func (o *Observing) Clone() credentials.TransportCredentials {
	clone := *o
	clone.TransportCredentials = o.TransportCredentials.Clone()
	return &clone
}
