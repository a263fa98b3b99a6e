package client

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// TokenSource returns the token for the next stream. Goroutines that begin streams call
// it concurrently. It must return when ctx is done. Its error fails the stream with
// UNAUTHENTICATED.
type TokenSource func(ctx context.Context) (token string, err error)

// WithToken sends the token with each stream, as `authorization: Bearer TOKEN` (RFC 6750,
// section 2.1), which identifies the tenant. It is sent only over TLS, or by [Dial] to
// this host. Other streams fail with UNAUTHENTICATED before anything is sent, see
// [WithPlaintextToken].
func WithToken(token string) Option {
	return WithTokenSource(func(context.Context) (string, error) { return token, nil })
}

// WithTokenSource is like [WithToken], for a token that changes.
func WithTokenSource(source TokenSource) Option {
	return func(s *settings) { s.token = source }
}

// WithPlaintextToken sends the token also without TLS to another host. Anyone on the
// network can then read it and use it.
func WithPlaintextToken() Option {
	return func(s *settings) { s.plaintextToken = true }
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
		return nil, status.Error(codes.Unauthenticated, "token: empty, or with invalid characters")
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
