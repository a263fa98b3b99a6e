// Package connlimit bounds the connections that clients have open: how many there are,
// how many from one address, and what those hold that are not used. Start at [New].
//
// Anybody can open a connection. So where there is no room for a new one, the one
// that has been idle for longest is closed: clients that use theirs keep them, and new
// ones get in. A new connection is refused only where all others are used.
package connlimit
