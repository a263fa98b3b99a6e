package main

import (
	"encoding/json"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/uploading"
	"github.com/scopegate/scopegate/integration/grpctest"
)

// forgetful loses the first upload, and accepts the others.
type forgetful struct {
	symdbv1.UnimplementedSymbolDatabaseServiceServer
	ids []string
}

func (f *forgetful) UploadScopes(
	stream grpc.ClientStreamingServer[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse],
) error {
	scopes := int64(0)
	for {
		request, err := stream.Recv()
		if err != nil {
			break
		}
		if md := request.GetMetadata(); md != nil {
			f.ids = append(f.ids, md.GetUploadId())
			continue
		}
		scopes++
	}
	if len(f.ids) == 1 {
		return status.Error(codes.Unavailable, "lost")
	}
	return stream.SendAndClose(&symdbv1.UploadScopesResponse{UploadId: f.ids[len(f.ids)-1], ScopeCount: scopes})
}

// The summary names the complete upload, not the one that was begun first.
func TestReportNamesTheLastUpload(t *testing.T) {
	t.Parallel()
	server, f := grpc.NewServer(), &forgetful{}
	symdbv1.RegisterSymbolDatabaseServiceServer(server, f)
	address := grpctest.Serve(t, server)
	binary, err := smallBinary()
	if err != nil {
		t.Fatal(err)
	}
	got := execute(t, "", "upload", "--json", "--server", address, binary[0])
	server.Stop() // f can be read now
	var report uploading.Report
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || got.code != exitOK {
		t.Fatalf("%v: %+v, want code %v", err, got, exitOK)
	}
	if len(f.ids) != 2 || f.ids[0] == f.ids[1] || report.UploadID != f.ids[1] {
		t.Errorf("upload %s is reported of %v, want the second, which is another", report.UploadID, f.ids)
	}
}
