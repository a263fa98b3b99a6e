package client

import (
	"context"
	"fmt"
	"iter"

	"google.golang.org/grpc"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Client sends uploads over one gRPC connection. It may be used by several
// goroutines at once, each with an [Upload] of its own.
type Client struct {
	service   symdbv1.SymbolDatabaseServiceClient
	settings  settings
	closeConn func() error
}

// New returns a client on a connection that the caller owns and closes. Options
// about connecting have no effect here.
func New(conn grpc.ClientConnInterface, options ...Option) *Client {
	return &Client{
		service:   symdbv1.NewSymbolDatabaseServiceClient(conn),
		settings:  newSettings(options),
		closeConn: func() error { return nil },
	}
}

// Close closes the connection that [Dial] made, which breaks off the uploads
// still on it. Of a client made by [New] it leaves the connection as it is.
// Closing twice is harmless.
func (c *Client) Close() error {
	if err := c.closeConn(); err != nil {
		return fmt.Errorf("close connection: %w", err)
	}
	return nil
}

// UploadScopes uploads every scope that the sequence yields, in its order, and
// returns once the intake has accepted all of them. Only one scope is held at a
// time; when the server is slow the sequence is not asked for more.
//
// The sequence must be one that can be ranged over again, and yields the same
// scopes in the same order each time; one that can't be takes [WithoutResume].
// After a failure that may pass, UploadScopes waits, see [WithBackoff], and
// sends another stream of the same upload:
//
//   - Where the server said how far the stream came, it goes on after the scopes
//     that are accepted, be it in the middle of a scope that was split. Nothing is
//     sent twice.
//   - Where that is not known, because the connection broke, it starts over
//     under a new upload_id, so that no batch number ever stands for two contents.
//     The old upload_id then has no final batch, or, where nothing but the last
//     answer was lost, is a whole upload beside the new one. Metadata with single_batch is
//     sent again as it was instead; metadata with a first_batch_num above 1
//     belongs to an upload whose beginning is not here, so that the failure is
//     returned.
//
// It does so until ctx ends, or until as many streams in a row as
// [WithMaxAttempts] says brought nothing further. [WithOnRetry] tells of each.
//
// The summary is one of all streams under the final upload_id, which it names:
// scope_count and batch_count are the whole upload's. raw_bytes and
// compressed_bytes are those of the last stream, because a server does not tell
// them of a stream that failed.
//
// An error from the sequence breaks the upload off, so that no batch of it is
// ever marked final, and is returned wrapped; a scope beside it is ignored. A
// sequence found to differ when ranged over again ends it with
// [ErrSequenceChanged]. Other errors are those of [Client.Upload], [Upload.Send]
// and [Upload.CloseAndReceive]. The server refuses an upload without a scope.
func (c *Client) UploadScopes(
	ctx context.Context, metadata *symdbv1.UploadMetadata, scopes iter.Seq2[*symdbv1.Scope, error],
) (*symdbv1.UploadScopesResponse, error) {
	if metadata == nil {
		return nil, inputError("open upload", "no metadata")
	}
	return newDelivery(c, metadata, scopes).run(ctx)
}
