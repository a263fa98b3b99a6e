package kinds

// Keep is instantiated twice by each of Nothing and Something, with a type of no
// size first, and last.
//
//go:noinline
func keep[T any](v T, n int) (T, int) { // @keep
	kept := v
	touch(n)           // @keep-used
	return kept, n + 1 // @keep-end
}

//go:noinline
func keepToo[T any](v T, n int) (T, int) { // @keep-too
	kept := v
	touch(n)           // @keep-too-used
	return kept, n + 1 // @keep-too-end
}

// Nothing begins with the type of no size.
//
//go:noinline
func Nothing(n int) int {
	_, a := keep(struct{}{}, n)
	b, _ := keep(a, n)
	return b
}

// Something ends with it.
//
//go:noinline
func Something(n int) int {
	b, _ := keepToo(n, n)
	_, a := keepToo(struct{}{}, b)
	return a
}
