// Package frames watches what client and server send on a connection of HTTP/2 (RFC
// 9113), as far as gRPC does not count itself what that makes it hold. Start at
// [Observe].
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
