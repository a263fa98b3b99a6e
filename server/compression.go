package server

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"

	"github.com/scopegate/scopegate/server/internal/memory"
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

// guardDecoders has messages refused that are compressed while the budget is short:
// what they become is drawn only when it is there. It returns how to end that.
func guardDecoders(budget *memory.Budget) (end func()) {
	full := func() error {
		if budget.Full() {
			return errMemory
		}
		return nil
	}
	for _, name := range encodings {
		if c, guards := encoding.GetCompressor(name).(interface{ Guard(func() error) func() }); guards {
			return c.Guard(full) // it is one guard for all that have it
		}
	}
	return func() {}
}

// answerPlain has the answers to a call go out as they are. Left to itself, gRPC
// compresses them as the client compresses its messages, with an encoder of several
// hundred KiB for an answer of a hundred bytes.
func answerPlain(ctx context.Context) error {
	return grpc.SetSendCompressor(ctx, encoding.Identity)
}

func plainCalls(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if err := answerPlain(ctx); err != nil {
		return nil, err
	}
	return handle(ctx, request)
}
