package server

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/grpctest"
	"github.com/scopegate/scopegate/server/internal/connlimit"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/logs"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/upload"
)

const (
	frameBytes = 64 // of a small frame, beside its payload
	// slackBytes is what was drawn before, for a few buffers, and given back since.
	slackBytes = 8 << 10
)

// TestSmallFramesAreDrawn sends a part of a message in frames of one byte, and then
// either gives up or goes away.
func TestSmallFramesAreDrawn(t *testing.T) {
	t.Parallel()
	const count = 2000
	server := run(t)
	base := server.drawnBytes()
	client := dialRaw(t, server.address)
	client.settle(t)
	before := base + drawnAtRest(t, server.budget, base,
		grpcwire.ConnectionBytes+grpcwire.OpenBytes+upload.StreamBytes+writeBytes)
	client.single(t, count)
	client.settle(t)
	server.awaitDrawn(t, before+count*(1+frameBytes)-slackBytes)
	client.flush(t, client.WriteRSTStream(1, http2.ErrCodeCancel))
	client.settle(t)
	requireDrawn(t, server.budget, before)
}

// TestSmallFramesEndConnection sends so many that its connection is ended, while
// another one goes on.
func TestSmallFramesEndConnection(t *testing.T) {
	t.Parallel()
	server := run(t)
	hostile, other := dialRaw(t, server.address), dialRaw(t, server.address)
	other.single(t, 100)
	hostile.single(t, grpcwire.DefaultSmallFrames+100)
	awaitEnd(t, hostile)
	other.settle(t)
	server.log.Await(t, "small frames")
}

// TestUnreadMessagesAreDrawn has a handler read nothing, and then all, of what a
// client sends in small messages; in the end it reads nothing of what a client sent
// that has ended the stream.
func TestUnreadMessagesAreDrawn(t *testing.T) {
	t.Parallel()
	for name, ends := range map[string]bool{"open": false, "ended by the client": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			budget := memory.New(memory.Limits{Bytes: 1 << 30})
			const windowBytes, messageBytes, sentBytes = 64 << 10, 600, 60 << 10
			reads, ended := make(chan struct{}), make(chan struct{})
			server := grpc.NewServer(
				grpc.Creds(&grpcwire.Observing{
					TransportCredentials: insecure.NewCredentials(), Streams: 100, WindowBytes: windowBytes,
					HeaderListBytes: 8 << 10, Log: logs.NewLimiter(slog.New(slog.DiscardHandler)),
				}),
				grpc.StaticStreamWindowSize(windowBytes),
				grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
					defer close(ended)
					<-reads
					for {
						if err := stream.RecvMsg(new(symdbv1.UploadScopesRequest)); err != nil {
							return err
						}
					}
				}),
			)
			from := listen(t)
			t.Cleanup(func() { requireDrawn(t, budget, 0) })
			open := connlimit.New(connlimit.Limits{Connections: 1}, budget)
			grpctest.ServeOn(t, server, &grpcwire.Listener{Listener: from, Connections: open, Budget: budget})
			read := sync.OnceFunc(func() { close(reads) })
			t.Cleanup(read)
			client := dialSilent(t, from.Addr().String())
			client.settle(t)
			before := drawnAtRest(t, budget, 0, writeBytes)
			message := binary.BigEndian.AppendUint32([]byte{0}, messageBytes-5)
			// A field that the message does not have, of 592 bytes.
			message = append(message, 0x7a, 0xd0, 0x04)
			message = append(message, make([]byte, messageBytes-len(message))...)
			const count = sentBytes / messageBytes
			for i := range count {
				client.flush(t, client.writeBetween(), client.WriteData(1, ends && i == count-1, message))
			}
			client.settle(t)
			if got := drawnAtRest(t, budget, before, 80<<10); got < 44<<10 {
				t.Errorf("%d bytes are drawn for %d that are not read, want at least %d", got, sentBytes, 44<<10)
			}
			read()
			// An update is written when it has been counted.
			for widened := 0; widened < sentBytes-windowBytes/4; {
				frame, err := client.ReadFrame()
				if err != nil {
					t.Fatal(err)
				}
				if update, ok := frame.(*http2.WindowUpdateFrame); ok && update.StreamID == 1 {
					widened += int(update.Increment)
				}
			}
			_ = drawnAtRest(t, budget, before, 1<<10) // all is read
			client.flush(t, client.WriteRSTStream(1, http2.ErrCodeCancel))
			<-ended
		})
	}
}

// byteByByte writes every byte by itself.
type byteByByte struct{ net.Conn }

func (c byteByByte) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := c.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// TestOrdinaryClients asks for the server's health and uploads, at once or with
// each byte in a packet of its own.
func TestOrdinaryClients(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"at once":      func(conn net.Conn) net.Conn { return conn },
		"byte by byte": func(conn net.Conn) net.Conn { return byteByByte{conn} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := run(t)
			conn := dial(t, server.address, grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
				if err != nil {
					return nil, err
				}
				return wrap(conn), nil
			}))
			health, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
			if err != nil || health.GetStatus() != healthv1.HealthCheckResponse_SERVING {
				t.Fatalf("health: %v, %v, want %v", health, err, healthv1.HealthCheckResponse_SERVING)
			}
			const scopeCount = 20
			stream, err := symdbv1.NewSymbolDatabaseServiceClient(conn).UploadScopes(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			requests := []*symdbv1.UploadScopesRequest{{Payload: &symdbv1.UploadScopesRequest_Metadata{
				Metadata: &symdbv1.UploadMetadata{Service: "shop", Version: new("1"), Language: "go"},
			}}}
			for range scopeCount {
				scope := &symdbv1.Scope{ScopeType: "package", SourceFile: new(strings.Repeat("x", 10_000))}
				requests = append(requests, &symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Scope{Scope: scope}})
			}
			for _, request := range requests {
				if err := stream.Send(request); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := stream.CloseAndRecv(); err != nil {
				t.Fatal(err)
			}
			server.mu.Lock()
			defer server.mu.Unlock()
			if server.postedBytes == 0 {
				t.Error("nothing was posted")
			}
		})
	}
}
