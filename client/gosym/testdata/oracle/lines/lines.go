// Package lines has lines of other files.
package lines

var sink int

// All calls all others.
func All(n int) {
	whole(n)
	_ = part(n)
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
