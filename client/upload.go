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

// Upload is one upload on its way. Its methods must not be called by several
// goroutines at once, except for [Upload.Cancel] and [Upload.ID]. It ends with
// the first error, with [Upload.CloseAndReceive] or with [Upload.Cancel], and
// holds a stream of the connection until then.
type Upload struct {
	ctx             context.Context //nolint:containedctx // the stream's own, needed to tell why it ended
	cancel          context.CancelFunc
	stream          grpc.ClientStreamingClient[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse]
	id              string
	maxMessageBytes int

	scopeCount int
	summary    *symdbv1.UploadScopesResponse
	err        error
}

// Upload begins an upload: it opens the stream, waiting for the connection
// where there is none yet, and sends the metadata. An empty upload_id is
// replaced by a new random UUID, see [Upload.ID]; the metadata passed in stays
// as it is. What is wrong with the metadata is the server's to find, so that it
// may show only in a later call.
//
// The upload ends when ctx does. A caller that may return without
// [Upload.CloseAndReceive] should defer [Upload.Cancel].
//
// It is one stream, as the metadata says it: an Upload does not go on by itself
// after a failure.
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

// ID returns the upload's id, which is known before anything is sent and the
// same in every batch that reaches the intake.
func (u *Upload) ID() string { return u.id }

// Send sends a root scope, split into several messages where it is larger than
// [WithMaxMessageBytes] allows. It returns when the messages are handed to the
// connection, and waits while the server does not read; that the server took
// the scope is known only from [Upload.CloseAndReceive]. The scope is not
// changed; it must not be changed by others before Send returns.
//
// Errors are an [*Error], or a [*ScopeTooLargeError], by when parts of the scope
// may be sent. The first one ends the upload, which is then never final, and is
// returned by every later call; it may be due to what was sent earlier. After
// CloseAndReceive, Send returns [ErrEnded].
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

// CloseAndReceive ends the upload and waits for the server's summary, which
// comes when the intake has accepted every batch. Its counts are the server's:
// a scope that was split counts once for each part. Errors are an [*Error], or
// the one that Send has returned. Called again, it returns the same.
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

// Cancel breaks the upload off, so that no batch of it is ever marked final, and
// frees what it holds. A call that is waiting, and every later one, returns an
// error that wraps context.Canceled. After the upload's end Cancel does nothing,
// so it can be deferred. It may be called from any goroutine.
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

// sendMessage sends a scope that fits a message.
func (u *Upload) sendMessage(scope *symdbv1.Scope) error {
	if scope == nil {
		return inputError(u.sending(), "the scope is nil")
	}
	return u.sendRequest(scopeRequest(scope))
}

// sending names what Send does now, for errors. Scopes are counted from 0.
func (u *Upload) sending() string {
	return fmt.Sprintf("send scope %d", u.scopeCount)
}

// sendRequest sends a request, or a marshalled one as wireRequest. It finds the
// status that stands behind the io.EOF with which a gRPC stream answers a Send
// after its end.
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
		// gRPC can't encode the message, or finds it larger than it may send.
		return localError(operation, err)
	default:
		return receivedError(u.ctx, operation, err)
	}
}

// withoutReplay keeps gRPC from sending again by itself what was sent on a
// connection that was lost, as it does where the server can't have seen it. What
// it sends again includes an end of the stream that came after the loss, and an
// upload that was cut short would look complete.
var withoutReplay = grpc.MaxRetryRPCBufferSize(0)

// earlyEnd asks for the status without ending the sending side: what was sent is
// not the whole upload.
func (u *Upload) earlyEnd() error {
	if err := u.stream.RecvMsg(&symdbv1.UploadScopesResponse{}); err != nil {
		return receivedError(u.ctx, "upload scopes", err)
	}
	return receivedError(u.ctx, "upload scopes",
		status.Error(codes.Internal, "the server answered before the end of the upload"))
}

// fail keeps the first error, and frees the stream.
func (u *Upload) fail(err error) error {
	u.err = err
	u.cancel()
	return err
}

// messages yields a scope as it is sent: as it is, or in parts where it is larger
// than a message may be. The same scope and limit give the same messages. An
// error is a [*ScopeTooLargeError], and the last that is yielded.
func messages(scope *symdbv1.Scope, maxBytes int) iter.Seq2[*symdbv1.Scope, error] {
	if proto.Size(scopeRequest(scope)) > maxBytes {
		return split(scope, maxBytes)
	}
	return func(yield func(*symdbv1.Scope, error) bool) { yield(scope, nil) }
}

func scopeRequest(scope *symdbv1.Scope) *symdbv1.UploadScopesRequest {
	return &symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Scope{Scope: scope}}
}
