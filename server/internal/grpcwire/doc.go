// Package grpcwire sits between gRPC and the network, and between gRPC and the server. gRPC
// limits messages and streams, but not the memory that it holds for them. This package draws
// that from the budget and ends connections that hold too much. docs/transport.md says why
// each mechanism exists.
//
//   - [Listener] accepts connections and draws for each.
//   - [Secured] and [Observing] are the credentials of new connections.
//   - [Observe] watches both directions of an HTTP/2 connection (RFC 9113).
//   - [Buffers] and [Messages] pass messages on as bytes.
//   - joiner joins small frames before gRPC reads them.
//
// An observed connection draws from the budget for
//
//   - each stream with the header fields of its request, from its HEADERS until its end is
//     written;
//   - small frames. gRPC takes larger ones from its buffer pool, but allocates each small
//     one, at many times its length, until its message is complete and read. How much was
//     read is estimated from the server's window updates;
//   - answers queued while the client does not read. After a number of frames that gRPC
//     answers, reads wait for a write to return.
//
// It ends when a client exceeds a limit, or for too long leaves no window for answers or
// does not read.
//
// The package parses frame headers, header fields, the length of each gRPC message, windows
// and their increments. It changes nothing but where frames of data end, and leaves protocol
// errors to gRPC unless they make counting impossible.
package grpcwire
