// Package kinds has functions that the compiler adds variables to, or takes
// variables of.
package kinds

var (
	sink  any
	count int
)

//go:noinline
func touch(n int) { count += n }

// Deferred has results that the compiler lists twice.
//
//go:noinline
func Deferred(n int) (int, bool) { // @deferred
	defer touch(n)
	return n, true
}

// Named has results with names, which stay where they are for the literal.
//
//go:noinline
func Named(n int) (sum int, text string) { // @named
	defer func() { // @named-literal
		if r := recover(); r != nil {
			sum = 1
		}
	}()
	sum = n / count
	return sum, "text"
}

// Pair is taken apart.
type Pair struct {
	number int
	text   string
}

// Apart has results that are taken apart.
//
//go:noinline
func Apart(n int) (_ Pair, text string, _ any) {
	p := Pair{n, "text"}
	for range n {
		p.text += text
	}
	return p, p.text, p
}

// Escaped has arguments and a result that move to the heap.
//
//go:noinline
func Escaped(x int, y [40]int) (r int) { // @escaped
	touch(x)
	x++       // @escaped-before
	sink = &x // @escaped-x
	sink = &y // @escaped-y
	sink = &r
	r = y[x] // @escaped-after
	return r
}

// pointer is inlined, and its argument moves to the heap of its caller.
func pointer[T any](val T) *T { return &val }

// next does the same, and declares a variable that does.
func next(val int) (*int, *int) {
	one := val + 1
	return &val, &one
}

// Caller declares neither val nor one.
//
//go:noinline
func Caller(n int) int {
	touch(n)
	p := pointer(n)
	q, r := next(n)
	sink = p
	return *q + *r
}

// Unlike is a field without size.
type Unlike [0]func()

// Whole is taken apart too, and some of its parts have no size.
type Whole struct {
	Unlike
	_      [0]func()
	number int
	text   string
}

func (v Whole) value() int { return v.number }

// Parts has a variable of a taken-apart type, and another one called as if it were
// a part of that.
//
//go:noinline
func Parts(q Whole, n int) int {
	v := Whole{number: n, text: "text"}
	if n > 3 {
		v.number++
	}
	w := q
	w.number += v.number
	vnumber := w.number * 2
	touch(vnumber)
	return v.value() + w.value() + vnumber
}

func each(n int) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) { // @each-literal
		for i := range n {
			if !yield(i, "text") {
				return
			}
		}
	}
}

// Loops ranges over functions, and leaves the loops in all ways.
//
//go:noinline
func Loops(n int) (out int) { // @loops
	for i, text := range each(n) { // @loops-outer
		defer touch(i)
		for j := range each(i) { // @loops-inner
			if j == 4 {
				return len(text)
			}
			out += j
		}
	}
	return out
}

// All is inlined, with two literals in it, one of them in the other.
func All(n int, f func(int) int) int { // @all
	g := func(m int) int { // @all-literal
		count++
		sink = func() int { return m } // @all-inner
		return f(m)
	}
	sink = g
	return g(n)
}

// First has the literals of All in it.
//
//go:noinline
func First(n int) int { return All(n, func(i int) int { return i + count }) }

// Second has them twice.
//
//go:noinline
func Second(n int) int {
	return All(n, func(i int) int { return i - count }) + All(n, func(i int) int { return i })
}

// At calls literals at once: what they use is passed to them.
//
//go:noinline
func At(n int) int {
	text := "text"
	m := func(k int) int { // @at-once
		defer touch(k)
		n++
		return len(text) + k
	}(n)
	return m + n
}

// table is made by a function of the compiler's.
var table = map[string]int{
	"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6, "g": 7, "h": 8, "i": 9, "j": 10, "k": 11, "l": 12, "m": 13,
	"n": 14, "o": 15, "p": 16, "q": 17, "r": 18, "s": 19, "t": 20, "u": 21, "v": 22, "w": 23, "x": 24, "y": 25,
}

// Run calls all of the above.
//
//go:noinline
func Run(n int) int {
	n, _ = Deferred(n)
	m, _ := Named(n)
	p, _, _ := Apart(m)
	n += p.number + Escaped(n, [40]int{}) + Caller(n) + Parts(Whole{}, n) + Loops(n)
	n += First(n) + Second(n) + At(n) + table["a"]
	return n + Nothing(n) + Something(n) + grammar(n)
}
