// Package intake forwards batches to the HTTP intake that docs/intake.md describes.
// [Client.Forward] posts the same bytes again and again, until the intake accepts
// them, refuses them for good, or the deadline passes. It returns nil or an
// [*Error], which says whether the intake may have the batch nevertheless.
//
// Start at [Client.Forward] in forward.go, the loop of each batch. It takes a turn
// (turns.go), posts the batch once (post.go), reads the verdict on the result
// (verdict.go), and returns or waits (retry.go). A turn comes when the batch is the next
// in the queue (queue.go) and the breaker (breaker.go) lets it through; the breaker
// learns from the results of all batches. Verdict, retry, queue and breaker are policy:
// functions of what happened and of now.
//
// The package does not cut batches to a size that the intake takes: see
// [Error.TooLarge].
package intake
