// Package plain lies in a folder with a dot, which the linker escapes.
package plain

// Function is found under the package's plain path.
//
//go:noinline
func Function(n int) int { return n * 3 }

// Value is a type of that package.
type Value struct{ N int }
