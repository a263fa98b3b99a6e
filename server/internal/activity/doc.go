// Package activity remembers what the server has done lately, for a person who
// looks: totals, the last uploads that ended, the last errors of the intake, and
// what happened in each of the last seconds. Start at [New].
//
// All of it is bounded, and nothing is kept of a client's or the intake's text but
// the beginning. It is no account: what must add up is in package upload.
package activity
