// Package compression registers gzip and zstd with gRPC, for messages that are
// compressed on the wire. Start at docs/tracers.md, which says when that pays: not
// within a host.
//
// Importing it is all that it takes, for a server to accept such messages and for
// a client to send them:
//
//	import _ "github.com/scopegate/scopegate/client/compression"
//
// As gRPC keeps one table of compressors for the whole process, all its gRPC
// servers then accept gzip and zstd, within their own limits of a message, all its
// clients say that they take them in answers, and a gzip that was registered before,
// such as google.golang.org/grpc/encoding/gzip's, may be replaced: of two packages
// that register the same name, the one that Go initializes last wins. This is why
// packages server and client leave the import to the program. It is not for
// anything but gRPC messages: those are whole when they are decompressed, and few.
package compression

import (
	"io"

	"google.golang.org/grpc/encoding"
)

// Names of the compressors, as they stand in the header grpc-encoding.
const (
	Gzip = "gzip"
	Zstd = "zstd"
)

//nolint:gochecknoinits // gRPC's table may be written during initialization only
func init() {
	encoding.RegisterCompressor(newGzipCompressor())
	encoding.RegisterCompressor(newZstdCompressor())
}

// source is what a decoder reads. It is cut off when the decoder is given back, so
// that none in a pool holds on to a message.
type source interface {
	io.Reader
	io.ByteReader
}
