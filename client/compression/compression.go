// Package compression registers gzip and zstd with gRPC, to compress messages on the wire.
// Within a host that is not worthwhile; see docs/tracers.md.
//
// To accept compressed messages in a server, or to send them from a client, import the
// package:
//
//	import _ "github.com/scopegate/scopegate/client/compression"
//
// gRPC's table of compressors is global. So all gRPC servers of the process accept gzip and
// zstd, within their own limits on message size, and all clients accept them in responses.
// If several packages register gzip, such as this one and
// google.golang.org/grpc/encoding/gzip, the last one initialized wins. So packages server
// and client leave the import to the program. Use the compressors for gRPC messages only:
// they assume that the whole message is in memory.
package compression

import (
	"io"

	"google.golang.org/grpc/encoding"
)

// Names of the compressors in the header grpc-encoding.
const (
	Gzip = "gzip"
	Zstd = "zstd"
)

//nolint:gochecknoinits // gRPC's table may be written during initialization only
func init() {
	encoding.RegisterCompressor(newGzipCompressor())
	encoding.RegisterCompressor(newZstdCompressor())
}

// source is the input of a decoder. It is removed when the decoder is released, so that
// pooled decoders keep no message in memory.
type source interface {
	io.Reader
	io.ByteReader
}
