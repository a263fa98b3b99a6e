// Package upload serves upload streams: it receives scopes, collects them in batches and
// sends each batch to the intake. Start at [New] and [Server.Open]. To follow a stream,
// read upload.go.
//
// A stream has two goroutines and a third while a batch is posted. The reader fills the open
// batch, the event loop acts while the reader waits, and the sender posts one sealed batch at
// a time. The first two mostly wait. They work on lent stacks (stack.go), so that thousands of
// idle streams take little memory. The upload's lock guards the open batch; the sender's own guards the batches that
// are sealed. The cause of a stream's context is why it ends early.
package upload
