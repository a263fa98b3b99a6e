package client_test

import (
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// script is a connection without a socket, for tests on a fake clock: answer answers each
// stream after its client has sent everything.
type script struct {
	answer func(ctx context.Context, s sentStream) error

	mu      sync.Mutex
	streams []sentStream
}

// sentStream is the messages that a client sent in one stream.
type sentStream struct {
	ordinal int
	at      time.Time
	md      *symdbv1.UploadMetadata
	scopes  []*symdbv1.Scope
}

func (s sentStream) names() []string {
	var names []string
	for _, scope := range s.scopes {
		names = append(names, scope.GetName())
	}
	return names
}

// accepting answers OK.
func accepting(context.Context, sentStream) error { return nil }

// failing answers the first streams with those failures (nil means OK), and the others with
// OK.
func failing(failures ...error) func(context.Context, sentStream) error {
	return func(_ context.Context, s sentStream) error {
		if s.ordinal < len(failures) {
			return failures[s.ordinal]
		}
		return nil
	}
}

func (s *script) sent() []sentStream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.streams)
}

func (*script) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	return status.Error(codes.Unimplemented, "no unary calls")
}

func (s *script) NewStream(ctx context.Context, _ *grpc.StreamDesc, _ string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	stream := &scriptedStream{ctx: ctx, script: s, codec: encoding.GetCodecV2("proto")}
	for _, option := range options {
		if forced, ok := option.(grpc.ForceCodecV2CallOption); ok {
			stream.codec = forced.CodecV2
		}
	}
	return stream, nil
}

type scriptedStream struct {
	grpc.ClientStream

	ctx    context.Context
	script *script
	codec  encoding.CodecV2
	sent   sentStream
}

func (*scriptedStream) Header() (grpcmetadata.MD, error) { return nil, io.EOF }

func (s *scriptedStream) SendMsg(m any) error {
	wire, err := s.codec.Marshal(m)
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	request := &symdbv1.UploadScopesRequest{}
	if err := proto.Unmarshal(wire.Materialize(), request); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	if md := request.GetMetadata(); md != nil {
		s.sent.md = md
	} else {
		s.sent.scopes = append(s.sent.scopes, request.GetScope())
	}
	return nil
}

func (*scriptedStream) CloseSend() error { return nil }

func (s *scriptedStream) RecvMsg(m any) error {
	s.sent.at = time.Now()
	s.script.mu.Lock()
	s.sent.ordinal = len(s.script.streams)
	s.script.streams = append(s.script.streams, s.sent)
	s.script.mu.Unlock()
	if err := s.script.answer(s.ctx, s.sent); err != nil {
		return err
	}
	summary, ok := m.(*symdbv1.UploadScopesResponse)
	if !ok {
		return status.Errorf(codes.Internal, "answer into %T", m)
	}
	proto.Merge(summary, &symdbv1.UploadScopesResponse{
		UploadId:        s.sent.md.GetUploadId(),
		ScopeCount:      int64(len(s.sent.scopes)),
		BatchCount:      1,
		RawBytes:        100,
		CompressedBytes: 10,
	})
	return nil
}

// failure is a server's status.
func failure(t *testing.T, code codes.Code, details ...protoadapt.MessageV1) error {
	t.Helper()
	st, err := status.New(code, "as the test wants it").WithDetails(details...)
	if err != nil {
		t.Fatal(err)
	}
	return st.Err()
}

func progress(uploadID string, accepted int64, nextBatchNum int32) *symdbv1.UploadProgress {
	return &symdbv1.UploadProgress{UploadId: uploadID, AcceptedScopeCount: accepted, NextBatchNum: nextBatchNum}
}

func retryAfter(delay time.Duration) *errdetails.RetryInfo {
	return &errdetails.RetryInfo{RetryDelay: durationpb.New(delay)}
}

func violations(fields ...string) *errdetails.BadRequest {
	bad := &errdetails.BadRequest{}
	for _, field := range fields {
		bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: field})
	}
	return bad
}

const testID = "2f6c9a1e-6c1a-4d0e-9c55-0d9f6f3b7a11"

func identified() client.Metadata {
	return client.Metadata{Service: "shop", Language: "go", UploadID: testID}
}

// newClient returns a client on a connection without a socket.
func newClient(t *testing.T, conn grpc.ClientConnInterface, options ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(conn, options...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// balanced checks that no scope is counted twice or not at all.
func balanced(t *testing.T, u *client.Uploader) client.UploaderStats {
	t.Helper()
	stats := u.Stats()
	if stats.Added != stats.Accepted+stats.Refused+stats.Dropped+stats.Held {
		t.Errorf("added is not the sum of the others: %+v", stats)
	}
	return stats
}
