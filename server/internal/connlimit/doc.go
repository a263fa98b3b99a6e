// Package connlimit limits the connections that clients have open: their number, the
// number from one address, and the memory of those not in use. Start at [New].
//
// Anyone can open a connection. So if there is no room for a new one, the connection
// that has been idle for the longest time is closed. Clients keep the connections that
// they use, and new clients get in. A new connection is refused only if all others are
// in use.
package connlimit
