// Package client uploads the symbol scopes of a program to a scopegate server. It resumes
// an upload after the server, the network or the intake failed.
//
// Start with [Dial], or with [DialAny] for several servers. Then choose a form by where
// the scopes come from:
//
//   - [Client.UploadScopes], the pull form, is for scopes that can be read again, such as
//     those of a binary or a file. It takes a sequence, and holds one scope at a time. It
//     resumes by ranging over the sequence again; see [WithoutResume] for a sequence that
//     can't be.
//   - [Uploader], the push form, is for scopes that come once: a tracer gets them in
//     callbacks, over minutes, as classes load. It holds scopes until they are accepted,
//     up to a limit of bytes, and resends only those.
//   - [Client.Upload] is a single stream, for callers that do not resume, or that do so
//     themselves by [Error.Progress].
//
// A scope too large for one message is split at its children; see [WithMaxMessageBytes].
// Errors that wrap [ErrUpload] are worth another attempt; [Error] describes them.
//
// The package finds no symbols: package client/gosym reads those of a Go binary. It keeps
// nothing on disk, so scopes not delivered when the process ends are lost.
package client

import (
	"context"
	"fmt"
	"iter"

	"google.golang.org/grpc"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Client sends uploads over one gRPC connection. It is safe for concurrent use; each
// [Upload] is not.
type Client struct {
	service   symdbv1.SymbolDatabaseServiceClient
	settings  settings
	closeConn func() error
}

// New returns a client on a connection that the caller owns and closes. Options for
// connecting have no effect.
func New(conn grpc.ClientConnInterface, options ...Option) *Client {
	return &Client{
		service:   symdbv1.NewSymbolDatabaseServiceClient(conn),
		settings:  newSettings(options),
		closeConn: func() error { return nil },
	}
}

// Close closes the connection that [Dial] made, which aborts its uploads. It does not
// close the connection given to [New]. Closing twice is harmless.
func (c *Client) Close() error {
	if err := c.closeConn(); err != nil {
		return fmt.Errorf("close connection: %w", err)
	}
	return nil
}

// UploadScopes uploads every scope of the sequence, in order, and returns once the intake
// has accepted all of them. It holds one scope at a time; a slow server slows down the
// sequence.
//
// The sequence must yield the same scopes in the same order when it is ranged over again;
// otherwise use [WithoutResume]. After a transient failure, UploadScopes waits, see
// [WithBackoff], and sends another stream of the same upload:
//
//   - If the server reported how many scopes were accepted, it resumes after those, even
//     in the middle of a split scope. Nothing is sent twice.
//   - If that is unknown, because the connection broke, it starts over under a new
//     upload_id, so that no batch number ever stands for two contents. The old upload has
//     no final batch, unless only the last answer was lost; then the intake has both
//     uploads. Metadata with single_batch is sent again unchanged instead. Metadata with
//     a first_batch_num above 1 belongs to an upload begun elsewhere, so the failure is
//     returned.
//
// It gives up when ctx is done, or when as many streams in a row as [WithMaxAttempts]
// permits made no progress. [WithOnRetry] observes each retry.
//
// The summary is of all streams under the last upload_id: scope_count and batch_count
// count the whole upload. raw_bytes and compressed_bytes are those of the last stream,
// because a server does not report them for a stream that failed.
//
// An error from the sequence aborts the upload, so that none of its batches is ever
// final, and is returned wrapped; the scope yielded with it is ignored. A sequence that
// differs when ranged over again aborts it with [ErrSequenceChanged]. Other errors are
// those of [Client.Upload], [Upload.Send] and [Upload.CloseAndReceive]. The server
// refuses an upload without scopes.
func (c *Client) UploadScopes(
	ctx context.Context, metadata *symdbv1.UploadMetadata, scopes iter.Seq2[*symdbv1.Scope, error],
) (*symdbv1.UploadScopesResponse, error) {
	if metadata == nil {
		return nil, inputError("open upload", "no metadata")
	}
	return newDelivery(c, metadata, scopes).run(ctx)
}
