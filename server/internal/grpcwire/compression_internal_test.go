package grpcwire

import (
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/scopegate/scopegate/client/compression"
	"github.com/scopegate/scopegate/integration/grpctest"
)

// TestCompressedStreamsAreTold asks gRPC's own stream, which no interface promises
// to answer.
func TestCompressedStreamsAreTold(t *testing.T) {
	t.Parallel()
	told := make(chan bool, 1)
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		told <- Compressed(stream.Context())
		return status.Error(codes.Unimplemented, "only asked")
	}))
	conn, err := grpc.NewClient(grpctest.Serve(t, server), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for name, option := range map[string]grpc.CallOption{
		"":               grpc.EmptyCallOption{},
		compression.Gzip: grpc.UseCompressor(compression.Gzip),
		compression.Zstd: grpc.UseCompressor(compression.Zstd),
	} {
		err := conn.Invoke(t.Context(), "/any/Call", &emptypb.Empty{}, &emptypb.Empty{}, option)
		if status.Code(err) != codes.Unimplemented {
			t.Error(err)
		}
		if got := <-told; got != (name != "") {
			t.Errorf("%q: compressed %v, want %v", name, got, name != "")
		}
	}
	if Compressed(t.Context()) {
		t.Error("what is no call is compressed")
	}
}
