package main

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// encodings tells of each call how its messages are compressed.
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
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(any, grpc.ServerStream) error { return status.Error(codes.Unimplemented, "no service") }
	server := grpc.NewServer(grpc.StatsHandler(seen), grpc.UnknownServiceHandler(refuse))
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	upload := []string{"upload", "--server", listener.Addr().String(), "--service", "shop", "--language", "ruby"}
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
