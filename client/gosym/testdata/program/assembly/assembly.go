// Package assembly has a function that is not Go.
package assembly

// Twice is Go.
//
//go:noinline
func Twice(n int) int { return Add(n, n) }
