package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Upload is an upload in a single stream. Only [Upload.Cancel] and [Upload.ID] may be
// called concurrently with other methods. An Upload holds a stream of the connection
// until the first error, [Upload.CloseAndReceive] or [Upload.Cancel].
type Upload struct {
	ctx             context.Context //nolint:containedctx // the stream's own: it knows why the stream ended
	cancel          context.CancelFunc
	stream          grpc.ClientStreamingClient[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse]
	id              string
	maxMessageBytes int

	scopeCount int
	summary    *symdbv1.UploadScopesResponse
	err        error
}

// Upload begins an upload. It opens the stream, waiting for the connection if necessary,
// and sends the metadata. An empty upload_id is replaced by a new random UUID, see
// [Upload.ID]; metadata itself is not changed. The server checks the metadata, so an
// error may be returned only by a later call.
//
// The upload is aborted when ctx is done. A caller that may return without
// [Upload.CloseAndReceive] should defer [Upload.Cancel].
//
// An Upload is a single stream and does not resume after a failure.
func (c *Client) Upload(ctx context.Context, metadata *symdbv1.UploadMetadata) (*Upload, error) {
	return c.upload(ctx, metadata)
}

func (c *Client) upload(
	ctx context.Context, metadata *symdbv1.UploadMetadata, callOptions ...grpc.CallOption,
) (*Upload, error) {
	if metadata == nil {
		return nil, inputError("open upload", "no metadata")
	}
	if name := c.settings.compression; name != "" && encoding.GetCompressor(name) == nil {
		return nil, inputError("open upload", fmt.Sprintf("compressor %q is not registered", name))
	}
	if metadata.GetUploadId() == "" {
		metadata = proto.CloneOf(metadata)
		metadata.UploadId = uuid.NewString()
	}
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.service.UploadScopes(ctx, append(callOptions, c.settings.callOptions()...)...)
	if err != nil {
		err = receivedError(ctx, "open upload", err)
		cancel()
		return nil, err
	}
	u := &Upload{
		ctx:             ctx,
		cancel:          cancel,
		stream:          stream,
		id:              metadata.GetUploadId(),
		maxMessageBytes: c.settings.maxMessageBytes,
	}
	request := &symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Metadata{Metadata: metadata}}
	if err := u.sendRequest(request); err != nil {
		return nil, u.fail(err)
	}
	return u, nil
}

// ID returns the upload_id.
func (u *Upload) ID() string { return u.id }

// Send sends a root scope, split into several messages if it is larger than
// [WithMaxMessageBytes] allows. It blocks while the server does not read. A nil error
// does not mean that the server has accepted the scope: only [Upload.CloseAndReceive]
// returns that. Send does not change the scope, which must not be changed until Send
// returns.
//
// Errors are an [*Error], or a [*ScopeTooLargeError], when parts of the scope may have
// been sent. The first error may be due to an earlier scope. It ends the upload, which is
// then never final, and later calls return it again. After CloseAndReceive, Send returns
// [ErrEnded].
func (u *Upload) Send(scope *symdbv1.Scope) error {
	switch {
	case u.err != nil:
		return u.err
	case u.summary != nil:
		return ErrEnded
	}
	if err := u.sendScope(scope); err != nil {
		return u.fail(err)
	}
	u.scopeCount++
	return nil
}

// CloseAndReceive ends the upload and waits for the server's summary, which the server
// sends when the intake has accepted every batch. Each part of a split scope counts.
// Errors are an [*Error], or the one that Send has returned. Called again, it returns the
// same.
func (u *Upload) CloseAndReceive() (*symdbv1.UploadScopesResponse, error) {
	if u.err != nil || u.summary != nil {
		return u.summary, u.err
	}
	summary, err := u.stream.CloseAndRecv()
	if err != nil {
		return nil, u.fail(receivedError(u.ctx, "upload scopes", err))
	}
	u.cancel()
	u.summary = summary
	return summary, nil
}

// Cancel aborts the upload, so that none of its batches is ever final, and frees its
// stream. Blocked and later calls return an error that wraps context.Canceled. After the
// upload has ended, Cancel does nothing, so it can be deferred. It may be called from any
// goroutine.
func (u *Upload) Cancel() { u.cancel() }

func (u *Upload) sendScope(scope *symdbv1.Scope) error {
	for message, err := range messages(scope, u.maxMessageBytes) {
		if err != nil {
			return fmt.Errorf("%s: %w", u.sending(), err)
		}
		if err := u.sendMessage(message); err != nil {
			return err
		}
	}
	return nil
}

// sendMessage sends a scope in one message.
func (u *Upload) sendMessage(scope *symdbv1.Scope) error {
	if scope == nil {
		return inputError(u.sending(), "the scope is nil")
	}
	return u.sendRequest(scopeRequest(scope))
}

// sending returns the current operation, for errors. Scopes are counted from 0.
func (u *Upload) sending() string {
	return fmt.Sprintf("send scope %d", u.scopeCount)
}

// sendRequest sends a request: an UploadScopesRequest or a wireRequest. If gRPC returns
// io.EOF, because the stream has ended, sendRequest returns the stream's status.
func (u *Upload) sendRequest(request any) error {
	err := u.stream.SendMsg(request)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return u.earlyEnd()
	}
	operation := u.sending()
	if r, ok := request.(*symdbv1.UploadScopesRequest); ok && r.GetMetadata() != nil {
		operation = "send metadata"
	}
	switch status.Code(err) {
	case codes.Internal, codes.ResourceExhausted:
		// gRPC can't encode the message, or it is too large.
		return localError(operation, err)
	default:
		return receivedError(u.ctx, operation, err)
	}
}

// withoutReplay keeps gRPC from replaying a stream on a new connection if the server
// can't have seen it. gRPC would also replay the end of a stream that was closed after
// the connection was lost, and a truncated upload would look complete.
var withoutReplay = grpc.MaxRetryRPCBufferSize(0)

// earlyEnd receives the status of a stream that the server ended early. It does not close
// the sending side, because the upload is incomplete.
func (u *Upload) earlyEnd() error {
	if err := u.stream.RecvMsg(&symdbv1.UploadScopesResponse{}); err != nil {
		return receivedError(u.ctx, "upload scopes", err)
	}
	return receivedError(u.ctx, "upload scopes",
		status.Error(codes.Internal, "the server answered before the end of the upload"))
}

// fail records the first error and frees the stream.
func (u *Upload) fail(err error) error {
	u.err = err
	u.cancel()
	return err
}

// messages yields a scope, or its parts if it is too large for one message. The same
// scope and limit give the same messages. An error is a [*ScopeTooLargeError] and ends
// the sequence.
func messages(scope *symdbv1.Scope, maxBytes int) iter.Seq2[*symdbv1.Scope, error] {
	if proto.Size(scopeRequest(scope)) > maxBytes {
		return split(scope, maxBytes)
	}
	return func(yield func(*symdbv1.Scope, error) bool) { yield(scope, nil) }
}

func scopeRequest(scope *symdbv1.Scope) *symdbv1.UploadScopesRequest {
	return &symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Scope{Scope: scope}}
}
