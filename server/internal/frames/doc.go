// Package frames watches what a client sends on a connection of HTTP/2 (RFC 9113),
// as far as gRPC does not count it itself. Start at [Observe].
//
// gRPC takes a message's frames from its buffer pool, except small ones: each of
// those is an object of its own, at many times its length, until the message is
// complete and read. An observed connection draws from the budget what these hold,
// and ends when a client cuts its messages into far more of them than it needs to.
// What has been read is known only roughly, from how the server widens the windows.
//
// Only frame headers, the length in front of each gRPC message, and the increments
// of windows are looked at.
// No byte is kept, changed or delayed, and what breaks the protocol is left for
// gRPC to refuse. The package is no parser of HTTP/2.
package frames
