// Package client uploads the symbol scopes of a program to a scopegate server.
//
// Start with [Dial] and [Client.UploadScopes], which sends all that a sequence
// yields and returns the server's summary. A caller that finds its scopes in
// callbacks rather than in a sequence uses [Client.Upload], [Upload.Send] and
// [Upload.CloseAndReceive] instead.
//
// A scope too large for one message travels as several, split at its children,
// see [WithMaxMessageBytes]. Failures worth another attempt are told from wrong
// input by [ErrUpload], and described by [Error].
//
// The package finds no symbols itself: package client/gosym reads those of a Go
// binary. It neither retries nor resumes; an upload that failed is sent again
// from its beginning, in a new Upload.
package client

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"google.golang.org/grpc"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Client sends uploads over one gRPC connection. It may be used by several
// goroutines at once, each with an [Upload] of its own.
type Client struct {
	service         symdbv1.SymbolDatabaseServiceClient
	maxMessageBytes int
	closeConn       func() error
}

// New returns a client on a connection that the caller owns and closes. Options
// about connecting have no effect here.
func New(conn grpc.ClientConnInterface, options ...Option) *Client {
	s := newSettings(options)
	return &Client{
		service:         symdbv1.NewSymbolDatabaseServiceClient(conn),
		maxMessageBytes: s.maxMessageBytes,
		closeConn:       func() error { return nil },
	}
}

// Dial returns a client with a connection of its own to target, which
// [Client.Close] closes. The target is a gRPC name: "host:port",
// "dns:///host:port", "unix:///path/to/socket". Connecting happens in the
// background and again after each loss, so that Dial itself fails only on a
// target or an option that makes no sense.
//
// Unless [WithTransportCredentials] says otherwise, the connection is plaintext
// to a target on this host (a unix socket, "localhost" or a loopback address),
// and TLS with the system's root certificates to any other.
func Dial(target string, options ...Option) (*Client, error) {
	s := newSettings(options)
	credentials := s.credentials
	if credentials == nil {
		credentials = defaultCredentials(target)
	}
	dialOptions := append([]grpc.DialOption{grpc.WithTransportCredentials(credentials)}, s.dialOptions...)
	conn, err := grpc.NewClient(target, dialOptions...)
	if err != nil {
		return nil, fmt.Errorf("dial %q: %w", target, err)
	}
	c := New(conn, options...)
	c.closeConn = sync.OnceValue(conn.Close)
	return c, nil
}

// Close closes the connection that [Dial] made, which breaks off the uploads
// still on it. Of a client made by [New] it leaves the connection as it is.
// Closing twice is harmless.
func (c *Client) Close() error {
	if err := c.closeConn(); err != nil {
		return fmt.Errorf("close connection: %w", err)
	}
	return nil
}

// UploadScopes uploads every scope that the sequence yields, in its order, and
// returns the server's summary once the intake has accepted all of them. Only
// one scope is held at a time; when the server is slow the sequence is not
// asked for more.
//
// An error from the sequence breaks the upload off, so that no batch of it is
// ever marked final, and is returned wrapped; a scope beside it is ignored.
// Other errors are those of [Client.Upload], [Upload.Send] and
// [Upload.CloseAndReceive]. The server refuses an upload without a scope.
func (c *Client) UploadScopes(
	ctx context.Context, metadata *symdbv1.UploadMetadata, scopes iter.Seq2[*symdbv1.Scope, error],
) (*symdbv1.UploadScopesResponse, error) {
	upload, err := c.Upload(ctx, metadata)
	if err != nil {
		return nil, err
	}
	defer upload.Cancel()
	for scope, err := range scopes {
		if err != nil {
			return nil, fmt.Errorf("next scope: %w", err)
		}
		if err := upload.Send(scope); err != nil {
			return nil, err
		}
	}
	return upload.CloseAndReceive()
}
