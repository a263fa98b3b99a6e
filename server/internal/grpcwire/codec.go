package grpcwire

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	"github.com/scopegate/scopegate/server/internal/memory"
)

// MaxCallBytes is the longest message that is taken by other services, health and
// reflection: those may keep it for as long as the stream lasts.
const MaxCallBytes = 4 << 10

// Message is a message as it came: protobuf wire bytes in one piece, valid until
// Release.
type Message struct {
	// Account is whose the message is.
	Account *memory.Account
	buffer  mem.Buffer
}

// Bytes returns the wire bytes.
func (m *Message) Bytes() []byte {
	if m.buffer == nil {
		return nil
	}
	return m.buffer.ReadOnlyData()
}

// Release gives the bytes back to gRPC. Releasing again does nothing.
func (m *Message) Release() {
	if m.buffer != nil {
		m.Account.Attribute(-m.buffer.Len())
		m.buffer.Free()
		m.buffer = nil
	}
}

// Codec hands a message's bytes over as a *Message, and leaves messages of any other
// type to gRPC's protobuf codec. It goes by that one's name, because on the wire there
// is no difference.
type Codec struct{ Pool mem.BufferPool }

// Name returns the name of gRPC's protobuf codec.
func (Codec) Name() string { return proto.Name }

// Marshal encodes a message as gRPC's protobuf codec does.
func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	return encoding.GetCodecV2(proto.Name).Marshal(v)
}

// Unmarshal hands data over to a *Message, or decodes it.
func (c Codec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*Message)
	if !ok {
		if data.Len() > MaxCallBytes {
			return fmt.Errorf("%d bytes, more than the limit of %d", data.Len(), MaxCallBytes)
		}
		return encoding.GetCodecV2(proto.Name).Unmarshal(data, v)
	}
	m.Release()
	m.buffer = data.MaterializeToBuffer(c.Pool)
	m.Account.Attribute(m.buffer.Len())
	return nil
}
