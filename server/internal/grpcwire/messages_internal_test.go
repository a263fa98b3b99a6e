package grpcwire

import (
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/scopegate/scopegate/client/compression"
	"github.com/scopegate/scopegate/integration/grpctest"
	"github.com/scopegate/scopegate/server/internal/memory"
)

const maxTestBytes = 100

// received is what the server of a test has received of a stream.
type received struct {
	compressed bool
	messages   []string
	err        error
}

// serveMessages starts a server that receives streams with [Messages]. The returned client is
// closed, and the server stopped, when the test ends.
func serveMessages(t *testing.T) (*grpc.ClientConn, chan received) {
	t.Helper()
	all, budget := make(chan received, 1), testBudget()
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		messages, err := NewMessages(stream.Context(), mem.DefaultBufferPool(), maxTestBytes)
		r := received{compressed: messages.Compressed()}
		account := budget.Open(0, func(memory.Order) {})
		message := Message{Account: account}
		for err == nil {
			if err = messages.Await(); err == nil {
				err = messages.Receive(&message)
			}
			if err == nil {
				r.messages = append(r.messages, string(message.Bytes()))
			}
		}
		message.Release()
		account.Close()
		r.err = err
		all <- r
		return status.Error(codes.Unimplemented, "only received")
	}))
	conn, err := grpc.NewClient(grpctest.Serve(t, server), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		budget.Close()
	})
	return conn, all
}

// TestMessages receives from gRPC's own stream, which no interface promises to have the
// methods.
func TestMessages(t *testing.T) {
	t.Parallel()
	conn, all := serveMessages(t)
	for name, option := range map[string]grpc.CallOption{
		"":               grpc.EmptyCallOption{},
		compression.Gzip: grpc.UseCompressor(compression.Gzip),
		compression.Zstd: grpc.UseCompressor(compression.Zstd),
	} {
		for _, length := range []int{0, 1, maxTestBytes - 2} {
			stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, "/any/Call", option)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := stream.SendMsg(wrapperspb.Bytes(make([]byte, length))); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(stream.CloseSend(), stream.RecvMsg(&wrapperspb.BytesValue{})); status.Code(err) != codes.Unimplemented {
				t.Error(err)
			}
			got := <-all
			if got.compressed != (name != "") || !errors.Is(got.err, io.EOF) || len(got.messages) != 2 {
				t.Fatalf("%q, %d bytes: compressed %v, %d messages, %v; want 2 messages", name, length, got.compressed, len(got.messages), got.err)
			}
			for _, message := range got.messages {
				if want := max(0, length+2*min(1, length)); len(message) != want {
					t.Errorf("%q: %d bytes, want %d", name, len(message), want)
				}
			}
		}
	}
}

// A message that is too long is not received, even if it becomes so.
func TestMessageTooLong(t *testing.T) {
	t.Parallel()
	conn, all := serveMessages(t)
	for _, option := range []grpc.CallOption{grpc.EmptyCallOption{}, grpc.UseCompressor(compression.Gzip)} {
		stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, "/any/Call", option)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.SendMsg(wrapperspb.Bytes(make([]byte, maxTestBytes))); err != nil {
			t.Fatal(err)
		}
		got := <-all
		if _, ok := errors.AsType[*MessageTooLongError](got.err); !ok {
			t.Errorf("%v, want a MessageTooLongError", got.err)
		}
		_ = stream.RecvMsg(&wrapperspb.BytesValue{})
	}
}

// A message that can't be read is not the end of the stream.
func TestUnreadableIsNoEnd(t *testing.T) {
	t.Parallel()
	if errors.Is(&UnreadableError{err: io.EOF}, io.EOF) {
		t.Error("an unreadable message is io.EOF, want another error")
	}
}

func TestMessagesOfNoStream(t *testing.T) {
	t.Parallel()
	if _, err := NewMessages(t.Context(), mem.DefaultBufferPool(), 1); !errors.Is(err, errTransport) {
		t.Errorf("%v, want %v", err, errTransport)
	}
}
