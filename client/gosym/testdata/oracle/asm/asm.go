// Package asm has a function in assembly.
package asm

var sink int

// All calls all others.
func All(n int) { sink = add(n, 2) }
