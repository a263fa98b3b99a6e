// Package intake carries a batch to the HTTP intake, as docs/intake.md describes
// it, and sends the same bytes again until they are accepted, refused for good or
// out of time. Its answer is nil or an [*Error], which says whether the intake may
// have the batch nevertheless.
//
// Start at [New] and [Client.Forward]. What an answer means, and how long to wait
// for the next attempt, is decided by functions of what they are given alone, in
// verdict.go and retry.go; whether the intake is up, for all batches together, by
// the gate in gate.go; whose turn it is to post, by the turns in turns.go. How an
// attempt comes by both is in admit.go. Connections, and when they end, are in
// conns.go; which proxy they go through is in proxy.go.
//
// It does not cut batches to a size that the intake takes: see [Error.TooLarge].
package intake
