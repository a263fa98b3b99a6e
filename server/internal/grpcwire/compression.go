package grpcwire

import (
	"cmp"
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
)

// encodings are the names of compressors that programs register with gRPC: see
// package client/compression.
var encodings = []string{"gzip", "zstd", "deflate", "snappy"}

// DecoderBytes is what decompressing messages takes at most, as far as the
// compressors tell that are registered in this process.
func DecoderBytes() int {
	sum := 0
	for _, name := range encodings {
		if c, tells := encoding.GetCompressor(name).(interface{ DecoderBytes() int }); tells {
			sum += c.DecoderBytes()
		}
	}
	return sum
}

// Compressed reports whether the messages of a stream may be compressed. A few bytes can
// then become a whole message, and its size is not known in advance. So such a stream is
// the first to end when more is drawn than the limit.
func Compressed(ctx context.Context) bool {
	call, tells := grpc.ServerTransportStreamFromContext(ctx).(interface{ RecvCompress() string })
	return tells && call.RecvCompress() != "" && call.RecvCompress() != encoding.Identity
}

// AnswerPlain has the answers to a call go out as they are. Left to itself, gRPC
// compresses them as the client compresses its messages, with an encoder of several
// hundred KiB for an answer of a hundred bytes.
func AnswerPlain(ctx context.Context) error {
	if err := grpc.SetSendCompressor(ctx, encoding.Identity); err != nil {
		return Gone(ctx, err)
	}
	return nil
}

// Gone returns why nothing can be said to a client any more: it has cancelled the
// call, its deadline has passed, or its connection is closed, which is like
// cancelling. What gRPC says of it is in the text alone.
func Gone(ctx context.Context, err error) error {
	return fmt.Errorf("%w: %v", cmp.Or(ctx.Err(), context.Canceled), err) //nolint:errorlint // its code would be told
}
