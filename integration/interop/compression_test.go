package interop_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"

	"github.com/scopegate/scopegate/client/compression"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/grpctest"
	"github.com/scopegate/scopegate/integration/internal/testbed"
)

// compresses has the producer compress its messages with gzip: they are, and the
// same scopes arrive.
func compresses(t *testing.T, p *producer) {
	t.Helper()
	if !p.language.compresses {
		t.Skip("this producer has no option for it")
	}
	bed := newBed(t, nil)
	path := writeReplay(t, 1_000)
	result := p.start(t, bed.server.Address, "--replay", path, "--gzip").mustSucceed(t)
	requireEqual(t, bed.arrived(t, result.UploadID), readLines(t, path))

	seen := &wire{}
	listener := testbed.Listen(t, "tcp", "127.0.0.1:0")
	serveCounted(t, listener, seen)
	p.start(t, listener.Addr().String(), "--replay", path, "--gzip").mustSucceed(t)
	if got := seen.encoding.Load(); got != compression.Gzip {
		t.Errorf("grpc-encoding is %v, want gzip", got)
	}
	if plain, sent := seen.plain.Load(), seen.sent.Load(); sent >= plain {
		t.Errorf("messages of %d bytes were sent as %d, want fewer", plain, sent)
	}
}

// wire counts what comes.
type wire struct {
	encoding    atomic.Value // the header grpc-encoding of the last call
	plain, sent atomic.Int64 // bytes of messages, and of what they were sent as
}

// HandleRPC implements stats.Handler.
func (w *wire) HandleRPC(_ context.Context, event stats.RPCStats) {
	switch e := event.(type) {
	case *stats.InHeader:
		w.encoding.Store(e.Compression)
	case *stats.InPayload:
		w.plain.Add(int64(e.Length))
		w.sent.Add(int64(e.CompressedLength))
	}
}

// TagRPC implements stats.Handler.
func (*wire) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn implements stats.Handler.
func (*wire) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (*wire) HandleConn(context.Context, stats.ConnStats) {}

func serveCounted(t *testing.T, listener net.Listener, seen *wire) {
	t.Helper()
	takesAll := &overloaded{refused: time.Unix(0, 0)} // as it has refused one already
	server := grpc.NewServer(grpc.StatsHandler(seen))
	symdbv1.RegisterSymbolDatabaseServiceServer(server, takesAll)
	grpctest.ServeOn(t, server, listener)
}
