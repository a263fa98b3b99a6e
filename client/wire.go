package client

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec in wireCodec
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// wireRequest is a marshaled UploadScopesRequest. It is never changed, because gRPC may
// read it after the call that sends it.
type wireRequest []byte

// maxPooledBytes is the size above which the proto codec takes a buffer of 1 MiB for a
// message.
const maxPooledBytes = 32 << 10

// wireCodec sends a wireRequest unchanged, and other messages like the proto codec, except
// that a long one takes no more memory than its size.
type wireCodec struct{ encoding.CodecV2 }

func newWireCodec() wireCodec { return wireCodec{encoding.GetCodecV2("proto")} }

// Marshal implements [encoding.CodecV2].
func (c wireCodec) Marshal(v any) (mem.BufferSlice, error) {
	switch request := v.(type) {
	case wireRequest:
		return mem.BufferSlice{mem.SliceBuffer(request)}, nil
	case *symdbv1.UploadScopesRequest:
		if proto.Size(request) <= maxPooledBytes {
			break
		}
		wire, err := proto.MarshalOptions{UseCachedSize: true}.Marshal(request)
		return mem.BufferSlice{mem.SliceBuffer(wire)}, err //nolint:wrapcheck // a codec's errors are gRPC's to wrap
	}
	return c.CodecV2.Marshal(v) //nolint:wrapcheck // a codec's errors are gRPC's to wrap
}

// rootOf returns the scope of a request without its symbols and scopes, which it does not
// unmarshal.
func rootOf(request wireRequest) (*symdbv1.Scope, error) {
	_, _, tagBytes := protowire.ConsumeTag(request)
	if tagBytes < 0 {
		return nil, fmt.Errorf("read request: %w", protowire.ParseError(tagBytes))
	}
	rest, n := protowire.ConsumeBytes(request[tagBytes:])
	if n < 0 {
		return nil, fmt.Errorf("read request: %w", protowire.ParseError(n))
	}
	var own []byte
	for len(rest) > 0 {
		field, _, fieldBytes := protowire.ConsumeField(rest)
		if fieldBytes < 0 {
			return nil, fmt.Errorf("read scope: %w", protowire.ParseError(fieldBytes))
		}
		if field != symbolsField && field != scopesField {
			own = append(own, rest[:fieldBytes]...)
		}
		rest = rest[fieldBytes:]
	}
	root := &symdbv1.Scope{}
	if err := proto.Unmarshal(own, root); err != nil {
		return nil, fmt.Errorf("read scope: %w", err)
	}
	return root, nil
}

// rootRequest returns a request with only the root of another one.
func rootRequest(request wireRequest) (wireRequest, error) {
	root, err := rootOf(request)
	if err != nil {
		return nil, err
	}
	return marshalScope(root)
}

func marshalScope(scope *symdbv1.Scope) (wireRequest, error) {
	wire, err := proto.Marshal(scopeRequest(scope))
	if err != nil {
		return nil, inputError("add scope", err.Error())
	}
	return wire, nil
}
