package server

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/connlimit"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/logs"
	"github.com/scopegate/scopegate/server/internal/memory"
)

// TestListener: as many connections are open as there may be, over all listeners,
// each drawn from the budget. Where all are used, others are closed at once; one that is
// closed, however often, makes room for one.
func TestListener(t *testing.T) {
	t.Parallel()
	const limit = 2
	budget := memory.New(memory.Limits{Bytes: 1 << 30})
	open := connlimit.New(connlimit.Limits{Connections: limit}, budget)
	accepted := make(chan net.Conn)
	var accepting sync.WaitGroup
	var addresses []string
	var stop []func() error
	for range 2 {
		from := listen(t)
		addresses, stop = append(addresses, from.Addr().String()), append(stop, from.Close)
		accepting.Go(func() {
			l := &grpcwire.Listener{
				Listener: from, Connections: open, Budget: budget, Log: logs.NewLimiter(slog.New(slog.DiscardHandler)),
				Bytes: grpcwire.ConnectionBytes,
			}
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				taken, _ := conn.(*grpcwire.Accepted)
				taken.Use()
				accepted <- taken
			}
		})
	}
	defer accepting.Wait()
	for _, end := range stop {
		defer func() { _ = end() }()
	}
	dial := func(i int) net.Conn {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addresses[i%2])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	refused := func(i int) {
		t.Helper()
		if n, err := dial(i).Read(make([]byte, 1)); n > 0 || err == nil {
			t.Error("a connection more than there may be is open")
		}
		if open.Counts().Open != limit || budget.DrawnBytes() != limit*grpcwire.ConnectionBytes {
			t.Errorf("%d open, %d drawn, want Open %v and DrawnBytes %v", open.Counts().Open, budget.DrawnBytes(), limit, limit*grpcwire.ConnectionBytes)
		}
	}
	var conns []net.Conn
	for i := range limit {
		dial(i)
		conns = append(conns, <-accepted)
	}
	refused(0)
	refused(1)
	if err := conns[0].Close(); err != nil {
		t.Error(err)
	}
	if err := conns[0].Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed again: %v", err)
	}
	if open.Counts().Open != limit-1 || budget.DrawnBytes() != (limit-1)*grpcwire.ConnectionBytes {
		t.Errorf("%d open, %d drawn, want Open %v and DrawnBytes %v", open.Counts().Open, budget.DrawnBytes(), limit-1, (limit-1)*grpcwire.ConnectionBytes)
	}
	peer := dial(1)
	conns[0] = <-accepted
	refused(1)
	if _, err := io.WriteString(conns[0], "x"); err != nil {
		t.Error(err)
	}
	if _, err := peer.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	for _, conn := range conns {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	if open.Counts().Open != 0 || budget.DrawnBytes() != 0 {
		t.Errorf("%d open, %d drawn, want Open 0 and DrawnBytes 0", open.Counts().Open, budget.DrawnBytes())
	}
}

// TestIdleConnectionsMakeRoom: where there are as many connections as there may be, the
// clients that do not upload are closed for one that does, whatever they do else, and
// one that uploads is not.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	const limit = 4
	server := run(t, func(cfg *Config) { cfg.Limits.Connections, cfg.Limits.PeerConnections = limit, limit })
	upload := func(conn *grpc.ClientConn) (symdbv1.SymbolDatabaseService_UploadScopesClient, error) {
		stream, err := symdbv1.NewSymbolDatabaseServiceClient(conn).UploadScopes(t.Context())
		if err == nil {
			err = stream.Send(metadataOf("shop"))
		}
		if err == nil {
			_, err = stream.Header() // it is admitted
		}
		return stream, err
	}
	var uploads []symdbv1.SymbolDatabaseService_UploadScopesClient
	var idle []net.Conn
	for range limit / 2 {
		stream, err := upload(dial(t, server.address))
		if err != nil {
			t.Fatal(err)
		}
		uploads = append(uploads, stream)
	}
	for i := range 3 * limit {
		conn := dialTCP(t, server.address)
		if i%2 == 0 {
			conn = openRaw(t, conn).Conn // an upload that is not begun
		}
		idle = append(idle, conn)
	}
	for range limit / 2 {
		stream, err := upload(dial(t, server.address))
		if err != nil {
			t.Fatal(err)
		}
		uploads = append(uploads, stream)
	}
	for _, conn := range idle {
		awaitEnd(t, conn)
	}
	more := dial(t, server.address)
	if _, err := upload(more); status.Code(err) != codes.Unavailable {
		t.Errorf("a connection more than there may be: %v", err)
	}
	_ = more.Close() // or it would dial again, when there may be room
	server.log.Await(t, "to make room")
	server.log.Await(t, "connection refused")
	for _, stream := range uploads {
		send(t, stream, 1)
		if _, err := stream.CloseAndRecv(); err != nil {
			t.Error(err)
		}
	}
	if counts := server.connections.Counts(); counts.Evicted != int64(len(idle)) || counts.Refused == 0 {
		t.Errorf("%+v, want %d evicted, and some refused", counts, len(idle))
	}
}
