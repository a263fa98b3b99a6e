// Package frames watches what a client sends on a connection of HTTP/2 (RFC 9113),
// as far as gRPC does not count it itself. Start at [Observe].
//
// gRPC takes a message's frames from its buffer pool, except small ones: each of
// those is an object of its own, at many times its length, until the message is
// complete. An observed connection draws from the budget what these hold, and ends
// when a client cuts its messages into far more of them than it needs to.
//
// Only frame headers, and the length in front of each gRPC message, are looked at.
// No byte is kept, changed or delayed, and what breaks the protocol is left for
// gRPC to refuse. The package is no parser of HTTP/2.
package frames
