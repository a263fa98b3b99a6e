package main

import (
	"runtime"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// describing is a server that refuses each upload and passes on its metadata.
type describing struct {
	symdbv1.UnimplementedSymbolDatabaseServiceServer
	got chan *symdbv1.UploadMetadata
}

func (d describing) UploadScopes(stream grpc.ClientStreamingServer[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse]) error {
	request, err := stream.Recv()
	if err != nil {
		return err
	}
	d.got <- request.GetMetadata()
	return status.Error(codes.FailedPrecondition, "seen")
}

func TestUploadOfContainer(t *testing.T) {
	t.Setenv("DD_EXTERNAL_ENV", "it-false,cn-shop")
	own := ""
	if runtime.GOOS == "linux" {
		own = "it-false,cn-shop"
	}
	d := describing{got: make(chan *symdbv1.UploadMetadata, 1)}
	address := serveService(t, d)
	for flag, want := range map[string]string{"--quiet": own, "--no-container-id": ""} {
		execute(t, line, "upload", "--server", address, "--service", "shop", "--language", "ruby", flag, "-")
		if got := (<-d.got).GetExternalEnv(); got != want {
			t.Errorf("%s: external_env %q, want %q", flag, got, want)
		}
	}
}
