// Package lines has lines of other files.
package lines

var sink int

// All calls all others.
func All(n int) {
	whole(n)
	_ = part(n) + back(n) + closure(n)(n) + literals(n) + inlinedHere(n)
	beforeClosure()
}

//line grammar.y:100
//go:noinline
func whole(n int) {
	twice := n * 2
	sink += twice
}

//line lines.go:24
//go:noinline
func part(n int) int {
	before := n + 1
//line grammar.y:200
	inside := before * 2
	if inside > 3 {
		sink += inside
	}
//line lines.go:32
	after := before + sink
	return after
}

//line lines.go:134
//go:noinline
func back(n int) int {
	before := n * 3
//line grammar.y:370
	inside := before + 1
	sink += inside
//line lines.go:120
	after := inside + before
	return after
}

//line lines.go:245
//go:noinline
func closure(n int) func(int) int {
	before := n + sink
//line grammar.y:400
	return func(m int) int {
		inside := before + m
//line lines.go:251
		after := inside * 2
		return after
	}
}

//line grammar.y:450
//go:noinline
func beforeClosure() { sink++ }

//line lines.go:270
//go:noinline
func literals(n int) int {
//line grammar.y:460
	each := func(f func(int)) { f(n) }
	each(func(m int) {
		sink += m
	})
//line lines.go:280
	return n
}

func inlinedHere(n int) int {
	before := n
	sink += before
//line grammar.y:500
	inside := before + sink
	sink += inside
//line lines.go:290
	return inside
}
