package server

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/memory"
)

// stream reads an upload's messages: metadata first, then scopes, then the end.
// It is not safe for concurrent use.
type stream struct {
	rpc              grpc.ServerStream
	messages         [2]grpcwire.Message // the message that was read last, and the one before
	last             int                 // which of the two
	maxScopeBytes    int
	maxMetadataBytes int
	pace             pace
	standing         *standing
	begun            bool         // the metadata was read
	scopes           atomic.Int64 // read so far
}

func (s *stream) begin(rpc grpc.ServerStream, cfg Config, account *memory.Account, at *standing) {
	s.rpc, s.standing = rpc, at
	s.maxScopeBytes, s.maxMetadataBytes = cfg.MaxScopeBytes, cfg.MaxMetadataBytes
	for i := range s.messages {
		s.messages[i].Account = account
	}
	s.pace.begin(cfg.Limits)
}

// metadata reads the first message.
func (s *stream) metadata() (*symdbv1.UploadMetadata, error) {
	number, payload, err := s.receive()
	defer s.release()
	switch {
	case errors.Is(err, io.EOF):
		return nil, s.invalid("required: the stream ended before its first message")
	case err != nil:
		return nil, err
	case number != metadataNumber:
		return nil, s.invalid("required in the first message, which carries a scope")
	case len(payload) > s.maxMetadataBytes:
		text := fmt.Sprintf("%d bytes, more than the limit of %d", len(payload), s.maxMetadataBytes)
		return nil, &inputError{reason: reasonMetadataInvalid, field: "metadata", text: text}
	}
	md := &symdbv1.UploadMetadata{}
	if err := proto.Unmarshal(payload, md); err != nil {
		return nil, &inputError{reason: reasonMetadataInvalid, field: "metadata", text: "malformed protobuf or invalid UTF-8"}
	}
	s.begun = true
	return md, nil
}

// next reads the next scope and returns its wire bytes, which are valid until
// the call after the next one, or their release. The error is io.EOF at the end
// of the stream.
func (s *stream) next() ([]byte, error) {
	number, payload, err := s.receive()
	switch {
	case err != nil:
		return nil, err
	case number == metadataNumber:
		return nil, &inputError{reason: reasonStreamInvalid, field: "metadata", text: "set twice: again in place of " + s.field()}
	case len(payload) > s.maxScopeBytes:
		return nil, s.tooLarge()
	}
	s.scopes.Add(1)
	return payload, nil
}

// field names what is expected in the next message. Scopes are counted from 0.
func (s *stream) field() string {
	if !s.begun {
		return "metadata"
	}
	return scopeField(s.scopes.Load())
}

func scopeField(ordinal int64) string { return "scope[" + strconv.FormatInt(ordinal, 10) + "]" }

func (s *stream) invalid(text string) error {
	return &inputError{reason: reasonStreamInvalid, field: s.field(), text: text}
}

func (s *stream) tooLarge() error {
	return &inputError{
		reason: reasonScopeTooLarge, field: s.field(),
		text: fmt.Sprintf("larger than the limit of %d bytes; split it at its children and repeat the root", s.maxScopeBytes),
	}
}

// receive reads a message and finds the payload in it.
func (s *stream) receive() (protowire.Number, []byte, error) {
	s.last = 1 - s.last
	message := &s.messages[s.last]
	message.Release()
	s.pace.wait()
	err := s.rpc.RecvMsg(message)
	s.pace.receive(len(message.Bytes()))
	s.standing.receive(len(message.Bytes()))
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		return 0, nil, io.EOF
	default:
		return 0, nil, fmt.Errorf("receive %s: %w", s.field(), err)
	}
	number, payload, fault := splitRequest(message.Bytes())
	if fault != "" {
		return 0, nil, s.invalid(fault)
	}
	return number, payload, nil
}

// releaseOlder gives back the bytes of the message before the last one; of the
// last one, at the end of the stream.
func (s *stream) releaseOlder() { s.messages[1-s.last].Release() }

// release gives back all bytes.
func (s *stream) release() {
	s.messages[0].Release()
	s.messages[1].Release()
}

// The fields of UploadScopesRequest's payload.
const (
	metadataNumber protowire.Number = 1
	scopeNumber    protowire.Number = 2
)

// splitRequest finds the payload in an UploadScopesRequest: the number of its
// field and its bytes. It returns what is wrong where there is not exactly one.
func splitRequest(b []byte) (number protowire.Number, payload []byte, fault string) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, nil, "malformed protobuf"
		}
		b = b[n:]
		if typ != protowire.BytesType || num != metadataNumber && num != scopeNumber {
			if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
				return 0, nil, "malformed protobuf"
			}
			b = b[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return 0, nil, "malformed protobuf"
		}
		if number != 0 {
			return 0, nil, "a message carries more than one payload"
		}
		number, payload, b = num, value, b[n:]
	}
	if number == 0 {
		return 0, nil, "required: the message is empty"
	}
	return number, payload, ""
}
