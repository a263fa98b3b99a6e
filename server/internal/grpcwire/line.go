package grpcwire

import (
	"context"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/scopegate/scopegate/server/internal/connlimit"
)

// Line is what the context of a stream knows of its connection: who is at the other
// end, and the connection itself.
type Line struct {
	credentials.AuthInfo
	Conn *connlimit.Conn
}

// ConnOf returns the connection that a stream came over; nil: it is not known.
func ConnOf(ctx context.Context) *connlimit.Conn {
	if client, ok := peer.FromContext(ctx); ok {
		if over, ok := client.AuthInfo.(*Line); ok {
			return over.Conn
		}
	}
	return nil
}

// AuthInfoOf returns who is at the other end of a stream's connection; nil: it is not
// known.
func AuthInfoOf(ctx context.Context) credentials.AuthInfo {
	client, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	if over, ok := client.AuthInfo.(*Line); ok {
		return over.AuthInfo
	}
	return client.AuthInfo
}
