package grpcwire

import (
	"cmp"
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
)

// encodings are the compressors whose decoders the server may use: those of package
// client/compression, and others that a program may register.
var encodings = []string{"gzip", "zstd", "deflate", "snappy"}

// DecoderBytes returns the most memory that the registered compressors say decompression
// takes.
func DecoderBytes() int {
	sum := 0
	for _, name := range encodings {
		if c, ok := encoding.GetCompressor(name).(interface{ DecoderBytes() int }); ok {
			sum += c.DecoderBytes()
		}
	}
	return sum
}

// AnswerPlain turns off the compression of a call's answers. By default gRPC compresses them
// as the client does, with an encoder of several hundred KiB for an answer of 100 bytes.
func AnswerPlain(ctx context.Context) error {
	if err := grpc.SetSendCompressor(ctx, encoding.Identity); err != nil {
		return Gone(ctx, err)
	}
	return nil
}

// Gone returns the error of a client that can't be answered: it has cancelled the call, its
// deadline has passed, or its connection is closed, which counts as cancelling. The status
// in err is only kept as text.
func Gone(ctx context.Context, err error) error {
	return fmt.Errorf("%w: %v", cmp.Or(ctx.Err(), context.Canceled), err) //nolint:errorlint // its code would reach the client
}
