// Package rawh2 is a client of HTTP/2 that keeps to no rule by itself: it sends
// whatever frames it is told to, and keeps account of those that come back. It
// exists to have tests be the clients that no library lets one write.
//
// Start at [Dial]; [Conn.Open] opens a stream, [Conn.Frames] writes any frames,
// [Conn.Settle] waits until the server has read all that was written. It is for
// tests only, and no way to talk to a server in earnest.
package rawh2
