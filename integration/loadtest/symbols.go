package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/client/gosym"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/baseline"
)

// symbols are those of one program, as requests in the order in which they are
// sent, without the metadata.
type symbols struct {
	whole, functions []*symdbv1.UploadScopesRequest
}

func readSymbols(ctx context.Context, path string) (*symbols, error) {
	binary, err := gosym.Open(path, gosym.AllPackages())
	if err != nil {
		return nil, err
	}
	defer func() { _ = binary.Close() }()
	s := &symbols{}
	// The client splits packages that are too large for a message.
	record := &recorder{ctx: ctx, into: &s.whole}
	upload, err := client.New(record).Upload(ctx, &symdbv1.UploadMetadata{})
	if err != nil {
		return nil, err
	}
	defer upload.Cancel()
	for scope, err := range binary.Packages() {
		if err != nil {
			return nil, err
		}
		if err := upload.Send(scope); err != nil {
			return nil, err
		}
		for _, child := range scope.GetScopes() {
			s.functions = append(s.functions, &symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Scope{
				Scope: &symdbv1.Scope{ScopeType: scope.GetScopeType(), Name: scope.Name, Scopes: []*symdbv1.Scope{child}},
			}})
		}
	}
	return s, nil
}

// recorder is a connection, and the one stream on it, that keeps the scopes that
// are sent.
type recorder struct {
	grpc.ClientConnInterface
	grpc.ClientStream

	ctx  context.Context //nolint:containedctx // that of the stream, which the stream has to tell
	into *[]*symdbv1.UploadScopesRequest
}

func (r *recorder) NewStream(
	context.Context, *grpc.StreamDesc, string, ...grpc.CallOption,
) (grpc.ClientStream, error) {
	return r, nil
}

func (r *recorder) Context() context.Context { return r.ctx }

func (r *recorder) Header() (metadata.MD, error) { return metadata.MD{}, nil }

func (r *recorder) SendMsg(message any) error {
	if request, ok := message.(*symdbv1.UploadScopesRequest); ok && request.GetScope() != nil {
		*r.into = append(*r.into, proto.CloneOf(request))
	}
	return nil
}

// payload is the messages of one upload of a scenario: the metadata and the
// scopes.
type payload struct {
	requests []*symdbv1.UploadScopesRequest
	// path is the file of the requests, each behind its length, as ghz reads
	// them.
	path       string
	scopeCount int
	// jsonBytes is the length of the scopes as JSON, a comma behind each. Both
	// servers' figures are per byte of this. The baseline escapes <, > and & too,
	// and ends each scope with a newline, which makes escapedBytes of it.
	jsonBytes, escapedBytes int64
}

// newPayload writes the requests of one upload to dir. There is no upload id
// among them, so that each call is an upload of its own.
func newPayload(dir string, s scenario, from *symbols) (payload, error) {
	scopes := from.functions
	if s.whole {
		scopes = from.whole
	}
	if s.messages > 0 {
		scopes = evenly(scopes, s.messages)
	}
	p := payload{
		scopeCount: len(scopes),
		path:       filepath.Join(dir, fileName(s.name)+".bin"),
		requests: append([]*symdbv1.UploadScopesRequest{{Payload: &symdbv1.UploadScopesRequest_Metadata{
			Metadata: &symdbv1.UploadMetadata{Service: "loadtest", Env: new("test"), Version: "1.0.0", Language: "go"},
		}}}, scopes...),
	}
	var plain, escaped jsonSize
	escaping := json.NewEncoder(&escaped)
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	file, err := os.Create(p.path)
	if err != nil {
		return p, err
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	for _, request := range p.requests {
		if _, err := protodelim.MarshalTo(out, request); err != nil {
			return p, fmt.Errorf("write requests: %w", err)
		}
		if request.GetScope() == nil {
			continue
		}
		scope := baseline.FromProto(request.GetScope())
		if err := errors.Join(encoder.Encode(&scope), escaping.Encode(&scope)); err != nil {
			return p, fmt.Errorf("measure JSON: %w", err)
		}
	}
	p.jsonBytes, p.escapedBytes = int64(plain), int64(escaped)+int64(p.scopeCount)
	if err := out.Flush(); err != nil {
		return p, err
	}
	return p, file.Close()
}

// evenly returns n of all, or all where there are less.
func evenly[T any](all []T, n int) []T {
	if n >= len(all) {
		return all
	}
	some := make([]T, n)
	for i := range some {
		some[i] = all[i*len(all)/n]
	}
	return some
}

type jsonSize int64

func (s *jsonSize) Write(p []byte) (int, error) {
	*s += jsonSize(len(p))
	return len(p), nil
}

func fileName(name string) string {
	return strings.NewReplacer(" ", "-", ",", "").Replace(name)
}
