package grpcwire

import (
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/scopegate/scopegate/integration/logged"
	"github.com/scopegate/scopegate/server/internal/connlimit"
	"github.com/scopegate/scopegate/server/internal/logs"
	"github.com/scopegate/scopegate/server/internal/memory"
)

// TestReadsPauseBeyondMemory: what a client has sent is left where it is while more
// is held than there is.
func TestReadsPauseBeyondMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		budget := memory.New(memory.Limits{Bytes: 1 << 30})
		defer budget.Close()
		client, raw := net.Pipe()
		defer func() { _ = client.Close() }()
		conn := &Accepted{Conn: connlimit.New(connlimit.Limits{Connections: 1}, budget).Take(raw, 0), budget: budget}
		go func() { _, _ = client.Write(make([]byte, 100)) }()
		read := func(n int, soonest, latest time.Duration) {
			t.Helper()
			began := time.Now()
			if got, err := conn.Read(make([]byte, n)); got != n || err != nil {
				t.Errorf("read %d bytes: %v, want %v", got, err, n)
			}
			if took := time.Since(began); took < soonest || took > latest {
				t.Errorf("it took %v, want %v to %v", took, soonest, latest)
			}
		}
		read(10, 0, 0)
		excess := int(budget.LimitBytes()) + 1
		budget.Draw(excess)
		giveBack := time.AfterFunc(maxReadPause/2, func() { budget.Draw(-excess) })
		defer giveBack.Stop()
		read(10, maxReadPause/2, maxReadPause-1)
		budget.Draw(excess)
		read(10, maxReadPause, maxReadPause)
		budget.Draw(-excess)
		read(70, 0, 0)
	})
}

// A client that only looks whether the port is open is worth no warning.
func TestHandshakeBrokenOff(t *testing.T) {
	t.Parallel()
	var log logged.Text
	limitedLog := logs.NewLimiter(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	logRefusal(limitedLog, &net.TCPAddr{}, io.EOF)
	logRefusal(limitedLog, &net.TCPAddr{}, errHandshakeTooLong)
	for text, want := range map[string]int{
		`level=DEBUG msg="TLS handshake aborted"`: 1, `level=WARN msg="TLS handshake failed"`: 1, "level=": 2,
	} {
		if got := log.Count(text); got != want {
			t.Errorf("%q is logged %d times, want %d", text, got, want)
		}
	}
}

// failing are credentials with which nobody gets in.
type failing struct {
	credentials.TransportCredentials
	err error
}

func (f failing) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, f.err
}

func (f failing) Clone() credentials.TransportCredentials { return f }

// TestHandshake compares a handshake with that of the credentials within.
func TestHandshake(t *testing.T) {
	t.Parallel()
	end, other := net.Pipe()
	defer end.Close()
	defer other.Close()
	inner := insecure.NewCredentials()
	outer := (&Observing{TransportCredentials: inner, Streams: 1}).Clone()
	if outer.Info() != inner.Info() {
		t.Errorf("%+v, want %+v", outer.Info(), inner.Info())
	}
	_, want, err := inner.ServerHandshake(end)
	if err != nil {
		t.Fatal(err)
	}
	conn, auth, err := outer.ServerHandshake(end)
	if over, ok := auth.(*Line); err != nil || !ok || over.AuthInfo != want {
		t.Errorf("%+v, %v, want %+v", auth, err, want)
	}
	if observed, ok := conn.(*Conn); !ok || observed.Conn != end {
		t.Errorf("a %T, which is not observed", conn)
	}
	for _, want := range []error{io.EOF, credentials.ErrConnDispatched} {
		refused := (&Observing{TransportCredentials: failing{inner, want}}).Clone()
		if conn, _, err := refused.ServerHandshake(end); conn != nil || err != want { //nolint:errorlint // gRPC compares it so
			t.Errorf("%v, %v, want %v", conn, err, want)
		}
	}
}
