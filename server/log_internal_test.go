package server

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// TestWrongMetadataIsLogged names the service, for who has to find it.
func TestWrongMetadataIsLogged(t *testing.T) {
	t.Parallel()
	server := run(t)
	stream, err := symdbv1.NewSymbolDatabaseServiceClient(dial(t, server.address)).UploadScopes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	request := metadataOf("shop")
	request.GetMetadata().UploadId = "no UUID"
	if err := stream.Send(request); err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(&symdbv1.UploadScopesResponse{}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("%v, want INVALID_ARGUMENT", err)
	}
	server.log.Await(t, "level=WARN")
	if n, of := server.log.Count("level=WARN"), server.log.Count("service=shop"); n != 1 || of != 1 {
		t.Errorf("%d warnings, %d of the service; want one, of it:\n%s", n, of, server.log.String())
	}
}
