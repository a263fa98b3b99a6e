// Package upload serves the streams of uploads: it receives scopes, puts them into
// batches and sends each batch to the intake. Start at [New] and [Server.Open]; a
// stream's whole way is in upload.go.
//
// A stream has two goroutines, a third while a batch travels, and one lock. The reader
// fills the open batch, the event loop acts while the reader waits, and the sender posts
// one sealed batch at a time. Why a stream ends early is the cause of its context.
package upload
