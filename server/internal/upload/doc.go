// Package upload serves upload streams: it receives scopes, collects them in batches and
// sends each batch to the intake. Start at [New] and [Server.Open]. To follow a stream,
// read upload.go.
//
// A stream has one goroutine, and a second while a batch is posted. The reader fills the open
// batch, and the sender posts one sealed batch at a time. Events that happen while the reader
// waits are handled by goroutines of their own. The reader works on lent stacks (stack.go), so
// that thousands of idle streams take little memory.
//
// The upload's lock guards the open batch; the sender's own guards the batches that are
// sealed. The cause of a stream's context is why it ends early.
package upload
