package main

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/scopegate/scopegate/integration/grpctest"
)

// encodings records how the messages of each call are compressed.
type encodings chan string

// HandleRPC implements stats.Handler.
func (e encodings) HandleRPC(_ context.Context, event stats.RPCStats) {
	if header, ok := event.(*stats.InHeader); ok {
		e <- header.Compression
	}
}

// TagRPC implements stats.Handler.
func (encodings) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn implements stats.Handler.
func (encodings) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (encodings) HandleConn(context.Context, stats.ConnStats) {}

func TestUploadCompression(t *testing.T) {
	t.Parallel()
	seen := make(encodings, 1)
	refuse := func(any, grpc.ServerStream) error { return status.Error(codes.Unimplemented, "no service") }
	server := grpc.NewServer(grpc.StatsHandler(seen), grpc.UnknownServiceHandler(refuse))
	address := grpctest.Serve(t, server)
	upload := []string{"upload", "--server", address, "--service", "shop", "--language", "ruby"}
	for flag, want := range map[string]string{"none": "", "gzip": "gzip", "zstd": "zstd"} {
		execute(t, line, append(upload, "--compression", flag, "-")...)
		if got := <-seen; got != want {
			t.Errorf("--compression %s: grpc-encoding is %q, want %v", flag, got, want)
		}
	}
	s := newStack(t)
	for _, flag := range []string{"gzip", "zstd"} {
		got := execute(t, line, "upload", "--server", s.server, "--service", "shop", "--language", "ruby", "--compression", flag, "-")
		if got.code != exitOK {
			t.Errorf("--compression %s: %+v, want code %v", flag, got, exitOK)
		}
	}
}
