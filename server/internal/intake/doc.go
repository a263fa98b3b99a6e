// Package intake carries a batch to the HTTP intake: one batch is one POST, as
// docs/intake.md describes it, and what the intake answers becomes nil or an
// [*Error].
//
// Start at [New] and [Client.Forward].
package intake
