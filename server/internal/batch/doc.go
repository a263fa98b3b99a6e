// Package batch makes batches: their envelope, their event, and when they are full. It also
// splits those that are too large for the intake. It has no clock and no network.
//
// Start at [Assembler], which makes the batches of one upload; at [Sealed.Number], which
// adds the envelope; and at [Batch.Split]. docs/intake.md describes the formats.
package batch
