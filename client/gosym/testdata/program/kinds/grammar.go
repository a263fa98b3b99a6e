package kinds

//go:noinline
func grammar(n int) int { // @grammar
	a := n * 2
	touch(a)
	touch(n) // @grammar-own
//line rules.y:1000
	b := a * 3
	touch(b)
	if b > n {
		c := b + 1
		touch(c)
		a += c
	}
	return a + b
}
