package load

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/client/gosym"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Symbols are the symbols of a program, as requests in the order of an upload, without
// the metadata.
type Symbols struct {
	// Whole are packages, as the client splits them.
	Whole []*symdbv1.UploadScopesRequest
	// Functions are requests with a function or type each.
	Functions []*symdbv1.UploadScopesRequest
}

// ReadSymbols reads the symbols of a Go program that has DWARF.
func ReadSymbols(ctx context.Context, path string) (*Symbols, error) {
	binary, err := gosym.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = binary.Close() }()
	s := &Symbols{}
	// The client splits packages that are too large for a message.
	record := &recorder{ctx: ctx, into: &s.Whole}
	c, err := client.New(record)
	if err != nil {
		return nil, err
	}
	stream, err := c.OpenStream(ctx, client.Metadata{Service: "load", Language: "go"})
	if err != nil {
		return nil, err
	}
	defer stream.Cancel()
	for scope, err := range binary.Packages() {
		if err != nil {
			return nil, err
		}
		if err := stream.Send(scope); err != nil {
			return nil, err
		}
		for _, child := range scope.GetScopes() {
			s.Functions = append(s.Functions, &symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Scope{
				Scope: &symdbv1.Scope{ScopeType: scope.GetScopeType(), Name: scope.Name, Scopes: []*symdbv1.Scope{child}},
			}})
		}
	}
	return s, nil
}

// recorder is a connection, and the one stream on it, that records the scopes sent.
type recorder struct {
	grpc.ClientConnInterface
	grpc.ClientStream

	ctx  context.Context //nolint:containedctx // for the stream's method Context
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

// Scopes returns n requests at even distances, or all if n is 0 or there are less. They
// are whole packages, or else functions and types.
func (s *Symbols) Scopes(whole bool, n int) []*symdbv1.UploadScopesRequest {
	all := s.Functions
	if whole {
		all = s.Whole
	}
	if n == 0 || n >= len(all) {
		return all
	}
	some := make([]*symdbv1.UploadScopesRequest, n)
	for i := range some {
		some[i] = all[i*len(all)/n]
	}
	return some
}
