// Package batch says what a batch is: its envelope, its event, when it is full,
// and what takes its place where it is too large for the intake. It knows no
// clock and no network; what becomes of a finished [Batch] is the caller's
// affair.
//
// Start at [Assembler], which makes the batches of one upload; at
// [Sealed.Number], which puts a batch's envelope around it; and at [Batch.Split]
// for those that the intake refuses as too large. The formats are described in
// docs/intake.md.
package batch
