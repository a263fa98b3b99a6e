package testbed

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// NewClient returns a client on a connection.
func NewClient(tb testing.TB, conn grpc.ClientConnInterface, options ...client.Option) *client.Client {
	tb.Helper()
	c, err := client.New(conn, options...)
	if err != nil {
		tb.Fatalf("new client: %v", err)
	}
	return c
}

// Metadata returns metadata in the client library's form.
func Metadata(md *symdbv1.UploadMetadata) client.Metadata {
	return client.Metadata{
		Service: md.GetService(), Env: md.Env, Version: md.Version, Language: md.GetLanguage(),
		RuntimeID: md.GetRuntimeId(), UploadID: md.GetUploadId(), Tags: md.GetTags(),
		ContainerID: md.GetContainerId(), EntityID: md.GetEntityId(), ExternalEnv: md.GetExternalEnv(),
		ParentID: md.ParentId, DDSource: md.GetDdsource(), EventLanguage: md.GetEventLanguage(),
		MaxBatchAge: md.GetMaxBatchAge().AsDuration(),
		Additional:  values(md.GetAdditional()), EventAdditional: values(md.GetEventAdditional()),
	}
}

func values(m map[string]*structpb.Value) map[string]any {
	converted := make(map[string]any, len(m))
	for key, value := range m {
		converted[key] = value.AsInterface()
	}
	return converted
}

// Summary returns a result of the client library in the server's form.
func Summary(r client.Result) *symdbv1.UploadScopesResponse {
	return &symdbv1.UploadScopesResponse{
		UploadId: r.UploadID, ScopeCount: r.ScopeCount, BatchCount: r.BatchCount,
		RawBytes: r.RawBytes, CompressedBytes: r.CompressedBytes,
	}
}

// Upload uploads the scopes with the client library, which resumes after a failed
// stream.
func Upload(
	ctx context.Context, c *client.Client, metadata *symdbv1.UploadMetadata, scopes []*symdbv1.Scope, options ...client.Option,
) (*symdbv1.UploadScopesResponse, error) {
	result, err := c.Upload(ctx, Metadata(metadata), Sequence(scopes), options...)
	return Summary(result), err
}

// Open opens a stream with the client library.
func Open(ctx context.Context, c *client.Client, metadata *symdbv1.UploadMetadata) (*client.Stream, error) {
	var options []client.Option
	if n := metadata.GetFirstBatchNum(); n != 0 {
		options = append(options, client.WithFirstBatchNum(n))
	}
	if metadata.GetMoreFollows() {
		options = append(options, client.WithMoreFollows())
	}
	if metadata.GetSingleBatch() {
		options = append(options, client.WithSingleBatch())
	}
	return c.OpenStream(ctx, Metadata(metadata), options...)
}

// UploadOnce uploads the scopes in one stream, without resuming.
func UploadOnce(
	ctx context.Context, c *client.Client, metadata *symdbv1.UploadMetadata, scopes []*symdbv1.Scope,
) (*symdbv1.UploadScopesResponse, error) {
	stream, err := Open(ctx, c, metadata)
	if err != nil {
		return nil, err
	}
	for _, scope := range scopes {
		if stream.Send(scope) != nil {
			break // CloseAndReceive returns the reason
		}
	}
	result, err := stream.CloseAndReceive()
	return Summary(result), err
}
