package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Stream is one stream of an upload, by default the whole upload. It does not resume after
// a failure. Only [Stream.Cancel] and [Stream.ID] may be called concurrently with other
// methods. A Stream takes one of the connection's HTTP/2 streams until the first error,
// [Stream.CloseAndReceive] or [Stream.Cancel].
type Stream struct {
	ctx             context.Context //nolint:containedctx // the stream's own: it knows why the stream ended
	cancel          context.CancelFunc
	stream          grpc.ClientStreamingClient[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse]
	id              string
	maxMessageBytes int

	scopeCount int
	ended      bool
	result     Result
	err        error
}

// part is the place of a stream in its upload. The zero value is the whole upload.
type part struct {
	firstBatchNum int32 // 0: 1
	moreFollows   bool
	singleBatch   bool
}

// WithFirstBatchNum makes a [Stream] resume an upload: its first batch has the number n,
// see [Error.Progress]. Default 1.
func WithFirstBatchNum(n int32) Option {
	return Option{"WithFirstBatchNum", inStream, positive(n), func(s *settings) { s.part.firstBatchNum = n }}
}

// WithMoreFollows declares that another [Stream] of the same upload follows, so that this
// one has no final batch.
func WithMoreFollows() Option {
	return Option{"WithMoreFollows", inStream, nil, func(s *settings) { s.part.moreFollows = true }}
}

// WithSingleBatch makes a [Stream] exactly one batch, so that the same stream can be sent
// again if its outcome is unknown. It requires an UploadID in the metadata.
func WithSingleBatch() Option {
	return Option{"WithSingleBatch", inStream, nil, func(s *settings) { s.part.singleBatch = true }}
}

// OpenStream begins an upload. It opens a stream, waiting for the connection if necessary,
// and sends the metadata. The server checks the metadata too, so an error may be returned
// only by a later call.
//
// The stream is aborted when ctx is done. A caller that may return without
// [Stream.CloseAndReceive] should defer [Stream.Cancel].
func (c *Client) OpenStream(ctx context.Context, metadata Metadata, options ...Option) (*Stream, error) {
	s, err := c.settings.with(inStream, options)
	if err != nil {
		return nil, err
	}
	md, err := s.describe(metadata)
	if err != nil {
		return nil, err
	}
	return c.openStream(ctx, s, md, s.part)
}

func (c *Client) openStream(ctx context.Context, s settings, md *symdbv1.UploadMetadata, p part) (*Stream, error) {
	md = proto.CloneOf(md)
	md.FirstBatchNum, md.MoreFollows, md.SingleBatch = p.firstBatchNum, p.moreFollows, p.singleBatch
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.service.UploadScopes(ctx, s.callOptions()...)
	if err != nil {
		err = receivedError(ctx, "open upload", err)
		cancel()
		return nil, err
	}
	opened := &Stream{
		ctx:             ctx,
		cancel:          cancel,
		stream:          stream,
		id:              md.GetUploadId(),
		maxMessageBytes: s.maxMessageBytes,
	}
	request := &symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Metadata{Metadata: md}}
	if err := opened.sendRequest(request); err != nil {
		return nil, opened.fail(err)
	}
	return opened, nil
}

// ID returns the upload_id.
func (s *Stream) ID() string { return s.id }

// Send sends a root scope, split into several messages if it is larger than
// [WithMaxMessageBytes] allows. It blocks while the server does not read. A nil error does
// not mean that the server has accepted the scope: only [Stream.CloseAndReceive] reports
// that. Send does not change the scope. The caller must not change it until Send returns.
//
// Send returns an [*Error], or a [*ScopeTooLargeError], after which parts of the scope may
// have been sent. The error may be due to an earlier scope. The first error ends the
// upload, which then has no final batch; later calls return it again. After
// CloseAndReceive, Send returns [ErrEnded].
func (s *Stream) Send(scope *symdbv1.Scope) error {
	switch {
	case s.err != nil:
		return s.err
	case s.ended:
		return ErrEnded
	}
	if err := s.sendScope(scope); err != nil {
		return s.fail(err)
	}
	s.scopeCount++
	return nil
}

// CloseAndReceive ends the stream and waits for the server's answer, which the server sends
// when the intake has accepted every batch. The result counts this stream alone, and each
// part of a split scope. It returns an [*Error], or the error that Send has returned.
// Further calls return the same.
func (s *Stream) CloseAndReceive() (Result, error) {
	if s.ended || s.err != nil {
		return s.result, s.err
	}
	response, err := s.stream.CloseAndRecv()
	if err != nil {
		return Result{}, s.fail(receivedError(s.ctx, "upload scopes", err))
	}
	s.cancel()
	s.ended, s.result = true, newResult(response)
	return s.result, nil
}

// Cancel aborts the upload, which then has no final batch, and frees its stream. Blocked
// and later calls return an error that wraps context.Canceled. After the upload has ended,
// Cancel does nothing, so it can be deferred. It may be called from any goroutine.
func (s *Stream) Cancel() { s.cancel() }

func (s *Stream) sendScope(scope *symdbv1.Scope) error {
	for message, err := range messages(scope, s.maxMessageBytes) {
		if err != nil {
			return fmt.Errorf("%s: %w", s.sending(), err)
		}
		if err := s.sendMessage(message); err != nil {
			return err
		}
	}
	return nil
}

// sendMessage sends a scope in one message.
func (s *Stream) sendMessage(scope *symdbv1.Scope) error {
	if scope == nil {
		return inputError(s.sending(), "the scope is nil")
	}
	return s.sendRequest(scopeRequest(scope))
}

// sending returns the current operation, for errors. Scopes are counted from 0.
func (s *Stream) sending() string {
	return fmt.Sprintf("send scope %d", s.scopeCount)
}

// sendRequest sends a request: an UploadScopesRequest or a wireRequest. If gRPC returns
// io.EOF, because the stream has ended, sendRequest returns the stream's status.
func (s *Stream) sendRequest(request any) error {
	err := s.stream.SendMsg(request)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return s.earlyEnd()
	}
	operation := s.sending()
	if r, ok := request.(*symdbv1.UploadScopesRequest); ok && r.GetMetadata() != nil {
		operation = "send metadata"
	}
	switch status.Code(err) {
	case codes.Internal, codes.ResourceExhausted:
		// gRPC can't encode the message, or it is too large.
		return localError(operation, err)
	default:
		return receivedError(s.ctx, operation, err)
	}
}

// withoutReplay keeps gRPC from replaying a stream on a new connection if the server
// can't have seen it. gRPC would also replay the end of a stream that was closed after
// the connection was lost, and a truncated upload would look complete.
var withoutReplay = grpc.MaxRetryRPCBufferSize(0)

// earlyEnd receives the status of a stream that the server ended early. It does not close
// the sending side, because the upload is incomplete.
func (s *Stream) earlyEnd() error {
	if err := s.stream.RecvMsg(&symdbv1.UploadScopesResponse{}); err != nil {
		return receivedError(s.ctx, "upload scopes", err)
	}
	return receivedError(s.ctx, "upload scopes",
		status.Error(codes.Internal, "the server answered before the end of the upload"))
}

// fail records the first error and frees the stream.
func (s *Stream) fail(err error) error {
	s.err = err
	s.cancel()
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
