package client

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// TokenSource returns the token for the next stream. Goroutines that begin streams call it
// concurrently. It must return when ctx is done. An error fails the stream with
// UNAUTHENTICATED.
type TokenSource func(ctx context.Context) (token string, err error)

// WithToken sends the token with each stream, as `authorization: Bearer TOKEN` (RFC 6750,
// section 2.1). The token identifies the tenant. It is sent only over TLS, or by a client
// of [Dial] to this host. Other streams fail with UNAUTHENTICATED before anything is sent,
// see [WithPlaintextToken].
func WithToken(token string) Option {
	var err error
	if !isToken(token) {
		err = errToken
	}
	return Option{"WithToken", inClient, err, func(s *settings) {
		s.token = func(context.Context) (string, error) { return token, nil }
	}}
}

// errToken does not contain the token, which is secret.
var errToken = errors.New("empty, or with invalid characters")

// WithTokenSource is like [WithToken], for a token that changes.
func WithTokenSource(source TokenSource) Option {
	return Option{"WithTokenSource", inClient, given(source != nil), func(s *settings) { s.token = source }}
}

// WithPlaintextToken sends the token to other hosts even without TLS. Anyone on the network
// can then read it and use it.
func WithPlaintextToken() Option {
	return Option{"WithPlaintextToken", inClient, nil, func(s *settings) { s.plaintextToken = true }}
}

// bearer implements [credentials.PerRPCCredentials].
type bearer struct {
	source    TokenSource
	plaintext bool
}

var _ credentials.PerRPCCredentials = bearer{}

// GetRequestMetadata returns the header of a stream. Its errors are statuses, because
// gRPC turns others into INTERNAL.
func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := b.source(ctx)
	switch {
	case err != nil:
		return nil, status.Errorf(codes.Unauthenticated, "token: %v", err)
	case !isToken(token):
		return nil, status.Errorf(codes.Unauthenticated, "token: %v", errToken)
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// RequireTransportSecurity reports whether the token needs TLS.
func (b bearer) RequireTransportSecurity() bool { return !b.plaintext }

// isToken reports whether token consists of visible ASCII characters.
func isToken(token string) bool {
	for _, c := range []byte(token) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return token != ""
}
