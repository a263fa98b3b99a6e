package client

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// TokenSource returns the token for the next stream. It is called by each
// goroutine that begins one, and must not block for longer than ctx lasts. Its
// error ends the stream, with UNAUTHENTICATED.
type TokenSource func(ctx context.Context) (token string, err error)

// WithToken sends the token with each stream, as `authorization: Bearer TOKEN` (RFC
// 6750, section 2.1), so that the server knows who uploads. It is sent through
// TLS, or by [Dial] to this host, alone: a stream by any other way fails with
// UNAUTHENTICATED before anything is sent, see [WithPlaintextToken].
func WithToken(token string) Option {
	return WithTokenSource(func(context.Context) (string, error) { return token, nil })
}

// WithTokenSource is [WithToken] for a token that changes, such as one in a file
// that is replaced.
func WithTokenSource(source TokenSource) Option {
	return func(s *settings) { s.token = source }
}

// WithPlaintextToken sends the token also without TLS to another host, where
// everybody on the way can read it, and upload with it.
func WithPlaintextToken() Option {
	return func(s *settings) { s.plaintextToken = true }
}

// bearer is a token as gRPC asks for it.
type bearer struct {
	source    TokenSource
	plaintext bool
}

var _ credentials.PerRPCCredentials = bearer{}

// GetRequestMetadata returns the header of a stream. Its errors are statuses: of
// others gRPC makes one that says INTERNAL.
func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := b.source(ctx)
	switch {
	case err != nil:
		return nil, status.Errorf(codes.Unauthenticated, "token: %v", err)
	case !isToken(token):
		return nil, status.Error(codes.Unauthenticated, "token: empty, or with characters that a token can't have")
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// RequireTransportSecurity tells gRPC whether to refuse sending it without TLS.
func (b bearer) RequireTransportSecurity() bool { return !b.plaintext }

// isToken tells whether a header can carry it, and nothing besides.
func isToken(token string) bool {
	for _, c := range []byte(token) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return token != ""
}
