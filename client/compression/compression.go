// Package compression registers gzip and zstd with gRPC, to compress messages on the
// wire. docs/tracers.md says when that is worthwhile: not within a host.
//
// To accept compressed messages in a server, or to send them from a client, import the
// package:
//
//	import _ "github.com/scopegate/scopegate/client/compression"
//
// gRPC's table of compressors is global. So all gRPC servers of the process accept gzip
// and zstd, within their own limits of a message, and all its clients accept them in
// answers. Of two packages that register gzip, such as this one and
// google.golang.org/grpc/encoding/gzip, the one initialized last wins. This is why
// packages server and client leave the import to the program. The compressors are for
// gRPC messages only, which are in memory when they are decompressed.
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
