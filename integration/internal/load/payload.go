package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/baseline"
	"github.com/scopegate/scopegate/server/devintake"
)

// Payload is the content of one upload. It has no upload id, so that it can be sent
// several times.
type Payload struct {
	// Messages are the metadata and the scopes as protobuf. They must not be changed.
	Messages   [][]byte
	ScopeCount int
	// JSONBytes is the length of the scopes as JSON, each with a comma.
	JSONBytes int64
	// EscapedBytes is the same as written by encoding/json: with <, > and & escaped,
	// and a newline after each scope.
	EscapedBytes int64
}

// NewPayload returns the payload of an upload of the scopes.
func NewPayload(scopes []*symdbv1.UploadScopesRequest) (Payload, error) {
	first := &symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Metadata{
		Metadata: &symdbv1.UploadMetadata{Service: "loadtest", Env: new("test"), Version: new("1.0.0"), Language: "go"},
	}}
	p := Payload{ScopeCount: len(scopes)}
	var plain, escaped jsonSize
	escaping := json.NewEncoder(&escaped)
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	for i := range len(scopes) + 1 {
		request := first
		if i > 0 {
			request = scopes[i-1]
			scope := baseline.FromProto(request.GetScope())
			if err := errors.Join(encoder.Encode(&scope), escaping.Encode(&scope)); err != nil {
				return p, fmt.Errorf("measure JSON: %w", err)
			}
		}
		message, err := proto.Marshal(request)
		if err != nil {
			return p, fmt.Errorf("marshal request: %w", err)
		}
		p.Messages = append(p.Messages, message)
	}
	p.JSONBytes, p.EscapedBytes = int64(plain), int64(escaped)+int64(p.ScopeCount)
	return p, nil
}

// Fitting returns scopes, in order, that together fit into that many bytes of JSON. It skips
// those that no longer fit.
func Fitting(scopes []*symdbv1.UploadScopesRequest, jsonBytes int64) ([]*symdbv1.UploadScopesRequest, error) {
	var some []*symdbv1.UploadScopesRequest
	for _, scope := range scopes {
		alone, err := NewPayload([]*symdbv1.UploadScopesRequest{scope})
		if err != nil {
			return nil, err
		}
		if alone.JSONBytes <= jsonBytes {
			jsonBytes -= alone.JSONBytes
			some = append(some, scope)
		}
	}
	return some, nil
}

// Repeated returns the payload with its scopes repeated, in order, until they are at least that
// many bytes of JSON. It has at least one scope.
func (p Payload) Repeated(jsonBytes int64) Payload {
	once := p
	for p.JSONBytes < jsonBytes {
		p.Messages = slices.Concat(p.Messages, once.Messages[1:])
		p.ScopeCount += once.ScopeCount
		p.JSONBytes += once.JSONBytes
		p.EscapedBytes += once.EscapedBytes
	}
	return p
}

// InAnyOrder returns the payload encoded with dynamicpb, which writes fields in random order.
func (p Payload) InAnyOrder() (Payload, error) {
	ascending := p.Messages
	p.Messages = make([][]byte, len(ascending))
	for i, message := range ascending {
		dynamic := dynamicpb.NewMessage((*symdbv1.UploadScopesRequest)(nil).ProtoReflect().Descriptor())
		err := proto.Unmarshal(message, dynamic)
		if err != nil {
			return p, fmt.Errorf("message %d: %w", i, err)
		}
		if p.Messages[i], err = proto.Marshal(dynamic); err != nil {
			return p, fmt.Errorf("message %d: %w", i, err)
		}
	}
	return p, nil
}

// WriteFile writes the messages to a file for ghz: each after its length as a varint.
func (p Payload) WriteFile(path string) error {
	var content []byte
	for _, message := range p.Messages {
		content = protowire.AppendBytes(content, message)
	}
	return os.WriteFile(path, content, 0o600)
}

// WriteJSONFile writes the messages to a file for ghz, as an array in protobuf's JSON format.
func (p Payload) WriteJSONFile(path string) error {
	content := []byte("[")
	for i, message := range p.Messages {
		if i > 0 {
			content = append(content, ',')
		}
		request := &symdbv1.UploadScopesRequest{}
		if err := proto.Unmarshal(message, request); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		var err error
		if content, err = (protojson.MarshalOptions{}).MarshalAppend(content, request); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
	}
	return os.WriteFile(path, append(content, ']'), 0o600)
}

// maxEnvelopeBytes is more than the size of a batch without its scopes.
const maxEnvelopeBytes = 512

// Flaw returns what is wrong with an upload of the payload at the intake, or "" if it is
// complete, without violations, with the payload's scopes and jsonBytes of JSON.
func (p Payload) Flaw(upload devintake.Upload, jsonBytes int64) string {
	surplus := upload.RawBytes - jsonBytes
	switch {
	case len(upload.Violations) > 0:
		return upload.Violations[0].Text
	case !upload.Complete:
		return "not complete"
	case upload.ScopeCount != p.ScopeCount:
		return fmt.Sprintf("%d scopes, want %d", upload.ScopeCount, p.ScopeCount)
	case surplus < 0 || surplus > int64(upload.BatchCount)*maxEnvelopeBytes:
		return fmt.Sprintf("%d bytes of JSON, want %d and the envelopes", upload.RawBytes, jsonBytes)
	}
	return ""
}

type jsonSize int64

func (s *jsonSize) Write(p []byte) (int, error) {
	*s += jsonSize(len(p))
	return len(p), nil
}
