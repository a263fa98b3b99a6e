// Package wire sends messages over gRPC that are wire bytes already, as tests and
// load need it: messages that no protobuf library would write, and the same
// messages many times. Nothing that serves is to use it.
package wire

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// Codec sends a []byte as it is, and is gRPC's own for everything else. The bytes
// must not change after they were sent. To be passed to [grpc.ForceCodecV2].
type Codec struct{}

// Name implements [encoding.CodecV2].
func (Codec) Name() string { return proto.Name }

// Marshal implements [encoding.CodecV2].
func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	if message, ok := v.([]byte); ok {
		return mem.BufferSlice{mem.SliceBuffer(message)}, nil
	}
	return encoding.GetCodecV2(proto.Name).Marshal(v)
}

// Unmarshal implements [encoding.CodecV2].
func (Codec) Unmarshal(data mem.BufferSlice, v any) error {
	return encoding.GetCodecV2(proto.Name).Unmarshal(data, v)
}
