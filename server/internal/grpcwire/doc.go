// Package grpcwire sits between gRPC and the network, and between gRPC and the server. gRPC
// limits messages and streams, but not the memory that it holds for them. This package draws
// that from the budget and ends connections that hold too much.
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
// # Why
//
// Each mechanism answers an attack (docs/security.md) or a measurement, and a test fails
// without it:
//
//   - RecvMsg takes 5.9 µs a message instead of the 0.95 of [Messages], and builds an object
//     for each symbol. It waits on a stack of 8 KiB instead of 4. When the stream's context
//     ends, it answers the client itself, without a reason.
//   - gRPC drops the buffers of a stream that ends unread, up to its window (64 KiB).
//     [Buffers] finds them.
//   - Many clients send a frame for each message. Each that joiner joins saves 2 µs.
//   - A connection takes 28 KiB, with TLS 48 KiB, and without bounds for the kernel's buffers
//     megabytes of unread answers.
//   - gRPC opens its window for a whole message, so the rest of a message can't be refused:
//     instead, reads pause while more is drawn than there is.
//   - crypto/tls holds what a client sends before it has shown a certificate.
//   - gRPC makes an object of each frame: a message sent in single bytes takes 65 times its
//     length.
//   - With closed windows, 100 connections held up to 714 MiB, nearly all of it uncounted.
//     Connections whose answers are stuck lasted for 95 s and longer.
//   - gRPC queues an answer to each PING and SETTINGS of a client that reads nothing.
//   - gRPC works off what it has read, even for connections that are closed. So 16 requests at
//     a time are passed on, and none of a lost connection.
//   - gRPC forgets a stream before its end is written, so the streams that have not ended are
//     bounded.
//   - gRPC compresses answers as the client compresses messages: several hundred KiB for an
//     answer of a hundred bytes. [AnswerPlain] turns that off.
//   - A few kilobytes become 8 MiB, whose size is known only afterwards. Streams that may have
//     compressed messages, see [Messages.Compressed], end first when memory is short.
//
// The package parses frame headers, header fields, the length of each gRPC message, windows
// and their increments. It changes nothing but where frames of data end, and leaves protocol
// errors to gRPC unless they make counting impossible.
package grpcwire
