package testbed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"google.golang.org/grpc"
	protobuf "google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/wire"
)

// UploadRaw uploads messages given as bytes, and returns the outcome.
func UploadRaw(
	ctx context.Context, conn grpc.ClientConnInterface, messages [][]byte,
) (*symdbv1.UploadScopesResponse, error) {
	description := &symdbv1.SymbolDatabaseService_ServiceDesc.Streams[0]
	stream, err := conn.NewStream(ctx, description,
		symdbv1.SymbolDatabaseService_UploadScopes_FullMethodName, grpc.ForceCodecV2(wire.Codec{}))
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	for _, message := range messages {
		err := stream.SendMsg(message)
		if errors.Is(err, io.EOF) {
			break // RecvMsg returns the status
		}
		if err != nil {
			return nil, fmt.Errorf("send: %w", err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		return nil, fmt.Errorf("close: %w", err)
	}
	summary := &symdbv1.UploadScopesResponse{}
	if err := stream.RecvMsg(summary); err != nil {
		return nil, err
	}
	return summary, nil
}

// MetadataMessage returns the first message of an upload, as bytes.
func MetadataMessage(tb testing.TB, metadata *symdbv1.UploadMetadata) []byte {
	tb.Helper()
	return Marshal(tb, MetadataRequest(metadata))
}

// ScopeMessage returns a scope's message, as bytes.
func ScopeMessage(tb testing.TB, scope *symdbv1.Scope) []byte {
	tb.Helper()
	return Marshal(tb, ScopeRequest(scope))
}

// ScopeRequest returns a scope's message.
func ScopeRequest(scope *symdbv1.Scope) *symdbv1.UploadScopesRequest {
	return &symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Scope{Scope: scope}}
}

// MetadataRequest returns the first message of an upload.
func MetadataRequest(metadata *symdbv1.UploadMetadata) *symdbv1.UploadScopesRequest {
	return &symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Metadata{Metadata: metadata}}
}

// Marshal returns a message's wire bytes.
func Marshal(tb testing.TB, message protobuf.Message) []byte {
	tb.Helper()
	wire, err := protobuf.Marshal(message)
	if err != nil {
		tb.Fatalf("marshal: %v", err)
	}
	return wire
}
