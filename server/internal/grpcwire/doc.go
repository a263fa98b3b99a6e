// Package grpcwire is what stands between gRPC and the network, and between gRPC and the
// server. gRPC bounds messages and streams, and not what it holds for them; this package
// draws that from the budget and ends connections that overdo it. docs/transport.md says
// for each mechanism why it is there.
//
//   - [Listener] accepts connections and draws for each.
//   - [Secured] and [Observing] are the credentials that connections begin with.
//   - [Observe] watches what client and server send on a connection of HTTP/2 (RFC 9113).
//   - [Buffers] and [Codec] hand messages over as their bytes.
//
// An observed connection draws from the budget, and ends when a client overdoes it:
//
//   - A stream, with the fields of its request, is held from its HEADERS until its end
//     is written, however long the answer waits for that.
//   - gRPC takes a message's frames from its buffer pool, except small ones: each of
//     those is an object of its own, at many times its length, until the message is
//     complete and read. What has been read is known only roughly, from how the server
//     widens the windows.
//   - Answers queue up while the client does not read. Reads then wait until a write has
//     returned, after a bounded number of frames that have gRPC answer.
//   - A client whose windows leave no room for answers, or that does not read at all, is
//     given some time.
//
// Looked at are frame headers, requests' fields, the length in front of each gRPC
// message, windows and their increments. No byte is changed, and what breaks the
// protocol is left for gRPC to refuse, unless nobody could count any more.
package grpcwire
