//go:build !amd64

package asm

//go:noinline
func add(a, b int) int {
	sum := a + b
	return sum
}
