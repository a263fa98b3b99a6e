// Package batch says what a batch is: its envelope, its event, and when it is
// full. It knows no clock and no network; what becomes of a finished [Batch] is
// the caller's affair.
//
// Start at [Assembler], which makes the batches of one upload. The formats are
// described in docs/intake.md.
package batch
