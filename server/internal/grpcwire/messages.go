package grpcwire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/scopegate/scopegate/server/internal/memory"
)

// MaxCallBytes limits messages to other services, health and reflection, which may keep a
// message as long as the stream lasts.
const MaxCallBytes = 4 << 10

// Message is a received message as contiguous protobuf wire bytes, valid until Release.
type Message struct {
	Account *memory.Account
	buffer  *[]byte // nil if there are none
	pool    mem.BufferPool
}

// Bytes returns the wire bytes.
func (m *Message) Bytes() []byte {
	if m.buffer == nil {
		return nil
	}
	return *m.buffer
}

// Release returns the buffer to the pool. Releasing again does nothing.
func (m *Message) Release() {
	if m.buffer != nil {
		m.Account.Attribute(-len(*m.buffer))
		m.pool.Put(m.buffer)
		m.buffer = nil
	}
}

// set copies data, so that a message does not keep a frame that has others, too.
func (m *Message) set(data mem.BufferSlice, pool mem.BufferPool) {
	if length := data.Len(); length > 0 {
		m.buffer, m.pool = pool.Get(length), pool
		data.CopyTo(*m.buffer)
		m.Account.Attribute(length)
	}
}

// Messages receives the messages of a stream. It reads gRPC's stream as
// [grpc.ServerStream.RecvMsg] does, which can't be used for two reasons: when the stream's
// context ends, RecvMsg answers the client itself, with a status that says nothing. And
// while it waits, it takes a stack of twice the size.
type Messages struct {
	stream       transportStream
	pool         mem.BufferPool
	maxBytes     int
	decompressor encoding.Compressor // nil: messages are not compressed
	prefix       [prefixBytes]byte
}

// transportStream is what gRPC's stream has. TestMessages fails if it no longer does.
type transportStream interface {
	ReadMessageHeader(header []byte) error
	Read(length int) (mem.BufferSlice, error)
	RecvCompress() string
}

// errTransport means that a stream is none of gRPC's server, or of another version of grpc-go.
var errTransport = errors.New("unsupported version of grpc-go: can't read its streams")

// NewMessages returns the messages of a stream, given its context. They are at most maxBytes
// long, and in buffers of the pool.
func NewMessages(ctx context.Context, pool mem.BufferPool, maxBytes int) (Messages, error) {
	stream, ok := grpc.ServerTransportStreamFromContext(ctx).(transportStream)
	if !ok {
		return Messages{}, errTransport
	}
	m := Messages{stream: stream, pool: pool, maxBytes: maxBytes}
	if name := stream.RecvCompress(); name != "" && name != encoding.Identity {
		m.decompressor = encoding.GetCompressor(name) // gRPC refuses streams with others
	}
	return m, nil
}

// Compressed reports whether messages may be compressed. Few bytes can then become a large
// message of unknown size, so such a stream is the first to end when the limit is exceeded.
func (m *Messages) Compressed() bool { return m.decompressor != nil }

// Await waits until a message begins. It returns io.EOF at the end of the stream. When the
// stream's context ends, it returns another error.
func (m *Messages) Await() error {
	return m.stream.ReadMessageHeader(m.prefix[:]) //nolint:wrapcheck // io.EOF is never wrapped
}

// Receive reads the message that has begun. Its error is a [*MessageTooLongError], or an
// [*UnreadableError] if the client has sent no such message.
func (m *Messages) Receive(into *Message) error {
	into.Release()
	length := binary.BigEndian.Uint32(m.prefix[1:])
	if int64(length) > int64(m.maxBytes) {
		return &MessageTooLongError{MaxBytes: m.maxBytes}
	}
	data, err := m.stream.Read(int(length))
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &UnreadableError{err: io.ErrUnexpectedEOF}
	case err != nil:
		return fmt.Errorf("read message: %w", err)
	}
	defer data.Free()
	switch compressed := m.prefix[0]; {
	case compressed == 0:
		into.set(data, m.pool)
		return nil
	case compressed == 1 && m.decompressor != nil:
		return m.decompress(data, into)
	default:
		return &UnreadableError{err: fmt.Errorf("unexpected compression flag %d", compressed)}
	}
}

// decompress decompresses a message.
func (m *Messages) decompress(data mem.BufferSlice, into *Message) error {
	input := data.Reader()
	defer input.Close()
	output, err := m.decompressor.Decompress(input)
	if err != nil {
		return &UnreadableError{err: err}
	}
	if closer, ok := output.(io.Closer); ok {
		defer closer.Close()
	}
	plain, err := mem.ReadAll(io.LimitReader(output, int64(m.maxBytes)+1), m.pool)
	defer plain.Free()
	switch {
	case err != nil:
		return &UnreadableError{err: err}
	case plain.Len() > m.maxBytes:
		return &MessageTooLongError{MaxBytes: m.maxBytes}
	}
	into.set(plain, m.pool)
	return nil
}

// MessageTooLongError means that a message is longer than the limit, compressed or not.
type MessageTooLongError struct {
	MaxBytes int
}

func (e *MessageTooLongError) Error() string {
	return fmt.Sprintf("a message is longer than %d bytes", e.MaxBytes)
}

// UnreadableError means that a message is cut off or can't be decompressed. It is never
// io.EOF, which some decompressors return for a message without bytes.
type UnreadableError struct {
	err error
}

func (e *UnreadableError) Error() string { return "the message can't be read: " + e.err.Error() }
