// Command program is read by the tests of package gosym. It imports next to
// nothing, so that it builds fast for other systems too. The tests find its lines by
// marks such as "// @loop".
package main

import (
	"example.com/program/v2/assembly"
	"example.com/program/v2/kinds"
	plain "example.com/program/v2/plain.v2"
	"example.com/program/v2/shape"
)

var sink int

//go:noinline
func arguments(a int, b string, c []byte) (n int, err error) { // @arguments
	n = a + len(b) // @arguments-sum
	n += len(c)    // @arguments-more
	return n, nil  // @arguments-end
}

//go:noinline
func blocks(limit int) int { // @blocks
	total := 0             // @total
	for i := range limit { // @loop
		square := i * i // @square
		if square > 10 {
			rest := square % 7 // @rest
			touch(rest)        // @rest-used
			total += rest
		}
		touch(square)
		total += square // @loop-end
	}
	return total // @blocks-end
}

//go:noinline
func touch(n int) { sink += n }

// inlinedOnly has no code of its own.
func inlinedOnly(x int) int { // @inlined
	twice := x * 2 // @twice
	touch(twice)   // @twice-used
	return twice + 1
}

//go:noinline
func closures(n int) func() int { // @closures
	count := n
	return func() int { // @closure
		count++ // @closure-body
		touch(count)
		return count // @closure-end
	}
}

//go:noinline
func escapes(n int) *int { // @escapes
	moved := n // @moved
	touch(n)
	return &moved
}

func main() {
	n, _ := arguments(1, "two", nil)
	n += blocks(n)
	n += inlinedOnly(n)
	n += inlinedOnly(n + 1)
	n += closures(n)()
	n += *escapes(n)
	n += plain.Function(n)
	n += shape.All(n)
	n += assembly.Twice(n)
	n += kinds.Run(n)
	println(n)
}
