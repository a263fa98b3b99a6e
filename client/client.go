// Package client uploads the scopes of a program (packages, classes and functions, with
// their symbols) to a scopegate server. It resumes an upload after the server, the network
// or the intake failed.
//
// The server packs scopes into batches and posts them to an HTTP intake. A batch is two
// JSON objects: the envelope, which holds the scopes, and the event, a small one beside it.
// The last batch of a complete upload is marked final.
//
// A scope is a [symdbv1.Scope]. Start with [Dial], or with [DialAny] for several servers.
// Then choose a form by where the scopes come from:
//
//   - [Client.Upload], the pull form, is for scopes that can be read again, such as those
//     of a binary or a file. It takes a sequence, and holds one scope at a time. It resumes
//     by ranging over the sequence again; for a sequence that can be ranged over only once,
//     see [WithoutResume].
//   - [Uploader], the push form, is for scopes that come once: a tracer gets them in
//     callbacks, over minutes, as classes load. It holds scopes until they are accepted,
//     up to a limit of bytes, and resends only those. [WithOpenEnd] is for scopes that
//     come for as long as the process lives.
//   - [Stream] is a single stream, for callers that do not resume, or that resume
//     themselves with [Error.Progress].
//
// A scope too large for one message is split at its children into parts; see
// [WithMaxMessageBytes]. [IsRetryable] reports whether an error is worth another attempt;
// [Error] describes it.
//
// Settings and hooks are each an [Option], such as [WithLogger], [WithOnRetry],
// [WithOnProgress] and [WithOnRefused].
//
// The package does not find symbols: client/gosym reads them from a Go binary, and
// client/selfupload uploads a program's own in the background. The package stores nothing
// on disk, so scopes that are not delivered when the process ends are lost. For tests,
// client/clienttest provides a server.
package client

import (
	"context"
	"fmt"
	"iter"

	"google.golang.org/grpc"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Client sends uploads over one gRPC connection. It is safe for concurrent use.
type Client struct {
	service   symdbv1.SymbolDatabaseServiceClient
	settings  settings
	closeConn func() error
}

// New returns a client on a connection that the caller owns and closes. It fails only on
// an invalid option.
func New(conn grpc.ClientConnInterface, options ...Option) (*Client, error) {
	s, err := defaultSettings().with(inNew, options)
	if err != nil {
		return nil, err
	}
	return newClient(conn, s), nil
}

func newClient(conn grpc.ClientConnInterface, s settings) *Client {
	return &Client{
		service:   symdbv1.NewSymbolDatabaseServiceClient(conn),
		settings:  s,
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

// Upload uploads every scope of the sequence, in order, and returns once the intake has
// accepted all of them. It holds one scope at a time; a slow server slows down the
// sequence.
//
// The sequence must yield the same scopes in the same order when it is ranged over again;
// otherwise use [WithoutResume]. After a transient failure, Upload waits, see
// [WithBackoff], and sends another stream of the same upload:
//
//   - If the server reported how many scopes were accepted, it resumes after those, even
//     in the middle of a split scope. Nothing is sent twice.
//   - If that is unknown, because the connection broke, it starts over under a new
//     upload_id, because the same batch number could now stand for other scopes. The old
//     upload has no final batch, unless the server had accepted everything and only its
//     answer was lost; then the intake has both uploads.
//
// It gives up when ctx is done, or after [WithMaxAttempts] streams in a row that made no
// progress. [WithOnRetry] observes each retry.
//
// An error from the sequence aborts the upload, which then has no final batch, and is
// returned wrapped; the scope yielded with it is ignored. A sequence that differs
// when ranged over again aborts it with [ErrSequenceChanged]. Upload also fails on invalid
// metadata or options, and with the errors of [Stream.Send] and [Stream.CloseAndReceive].
// The server refuses an upload without scopes.
func (c *Client) Upload(
	ctx context.Context, metadata Metadata, scopes iter.Seq2[*symdbv1.Scope, error], options ...Option,
) (Result, error) {
	s, err := c.settings.with(inUpload, options)
	if err != nil {
		return Result{}, err
	}
	md, err := s.describe(metadata)
	if err != nil {
		return Result{}, err
	}
	d := &delivery{client: c, settings: s, scopes: scopes, metadata: md, firstBatchNum: 1, repetition: newRepetition()}
	return d.run(ctx)
}

// Result is an upload that the intake has accepted.
type Result struct {
	// UploadID identifies the upload. It is the metadata's, or a new one if that was empty
	// or the upload started over.
	UploadID string
	// ScopeCount is how many root scopes were accepted. Each part of a split scope counts.
	ScopeCount int64
	// BatchCount is how many batches were accepted.
	BatchCount int32
	// RawBytes is the size of the batches as JSON, CompressedBytes as gzip. They exclude
	// failed streams, because a server does not report sizes for those.
	RawBytes, CompressedBytes int64
}

func newResult(response *symdbv1.UploadScopesResponse) Result {
	return Result{
		UploadID:        response.GetUploadId(),
		ScopeCount:      response.GetScopeCount(),
		BatchCount:      response.GetBatchCount(),
		RawBytes:        response.GetRawBytes(),
		CompressedBytes: response.GetCompressedBytes(),
	}
}
