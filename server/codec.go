package server

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	"github.com/scopegate/scopegate/server/internal/memory"
)

// maxCallBytes is the longest message that is taken by other services, health and
// reflection: those may keep it for as long as the stream lasts.
const maxCallBytes = 4 << 10

// frame is a message as it came: protobuf wire bytes in one piece. The bytes
// are valid until release.
type frame struct {
	buffer  mem.Buffer
	account *memory.Account // of whose upload it is
}

func (f *frame) bytes() []byte {
	if f.buffer == nil {
		return nil
	}
	return f.buffer.ReadOnlyData()
}

// release gives the bytes back to gRPC. Releasing again does nothing.
func (f *frame) release() {
	if f.buffer != nil {
		f.account.Attribute(-f.buffer.Len())
		f.buffer.Free()
		f.buffer = nil
	}
}

// frameCodec hands a message's bytes over as a *frame, and leaves messages of
// any other type to gRPC's protobuf codec. It goes by that one's name, because
// on the wire there is no difference.
type frameCodec struct{ pool mem.BufferPool }

func (frameCodec) Name() string { return proto.Name }

func (frameCodec) Marshal(v any) (mem.BufferSlice, error) {
	return encoding.GetCodecV2(proto.Name).Marshal(v)
}

func (c frameCodec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*frame)
	if !ok {
		if data.Len() > maxCallBytes {
			return fmt.Errorf("%d bytes, more than the limit of %d", data.Len(), maxCallBytes)
		}
		return encoding.GetCodecV2(proto.Name).Unmarshal(data, v)
	}
	f.release()
	f.buffer = data.MaterializeToBuffer(c.pool)
	f.account.Attribute(f.buffer.Len())
	return nil
}
