// Package wire sends marshaled messages over gRPC, for tests and load: messages that no
// protobuf library would write, and the same messages many times.
package wire

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// Codec sends a []byte unchanged, and other messages like gRPC's own codec. The bytes
// must not be changed afterward. It is for [grpc.ForceCodecV2].
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
