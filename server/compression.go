package server

import (
	"cmp"
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/status"
)

// encodings are the names of compressors that programs register with gRPC: see
// package client/compression.
var encodings = []string{"gzip", "zstd", "deflate", "snappy"}

// decoderBytes is what decompressing messages takes at most, as far as the
// compressors tell that are registered in this process.
func decoderBytes() int {
	sum := 0
	for _, name := range encodings {
		if c, tells := encoding.GetCompressor(name).(interface{ DecoderBytes() int }); tells {
			sum += c.DecoderBytes()
		}
	}
	return sum
}

// compressed tells that the messages of a stream are, or may be, compressed. A few
// bytes of it can become a whole message, which nobody sees coming: so such a stream
// is the first to end when more is drawn than there is.
func compressed(ctx context.Context) bool {
	call, tells := grpc.ServerTransportStreamFromContext(ctx).(interface{ RecvCompress() string })
	return tells && call.RecvCompress() != "" && call.RecvCompress() != encoding.Identity
}

// answerPlain has the answers to a call go out as they are. Left to itself, gRPC
// compresses them as the client compresses its messages, with an encoder of several
// hundred KiB for an answer of a hundred bytes.
func answerPlain(ctx context.Context) error {
	if err := grpc.SetSendCompressor(ctx, encoding.Identity); err != nil {
		return gone(ctx, err)
	}
	return nil
}

// gone returns why nothing can be said to a client any more: it has cancelled the
// call, its deadline has passed, or its connection is closed, which is like
// cancelling. What gRPC says of it is in the text alone.
func gone(ctx context.Context, err error) error {
	return fmt.Errorf("%w: %v", cmp.Or(ctx.Err(), context.Canceled), err) //nolint:errorlint // its code would be told
}

func plainCalls(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	conn := connOf(ctx)
	conn.Enter()
	defer conn.Exit()
	if opened := openingOf(ctx); opened.refusal != nil {
		opened.left()
		return nil, opened.refusal
	}
	if err := answerPlain(ctx); err != nil {
		return nil, status.FromContextError(err).Err()
	}
	return handle(ctx, request)
}
