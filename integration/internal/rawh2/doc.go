// Package rawh2 is an HTTP/2 client that enforces no rules: it sends any frames, and
// records those that it receives. It is for tests of hostile clients, for which HTTP/2
// libraries are too strict.
//
// Start at [Dial]; [Conn.Open] opens a stream, [Conn.Frames] writes any frames, and
// [Conn.Settle] waits until the server has read everything written.
package rawh2
