// Package shape has types with methods, some of them generic.
package shape

import plain "example.com/program/v2/plain.v2"

// Rect is a struct with methods of both kinds.
type Rect struct {
	Width, Height int
	label         string
	next          *Rect
	inner         plain.Value
	scale         Factor
}

// Factor is no struct, and has a method.
type Factor float64

// Apply is a method of a type that is no struct.
//
//go:noinline
func (f Factor) Apply(n int) int { return int(float64(f) * float64(n)) } // @apply

// Area has a receiver that is no pointer, so that the compiler makes a wrapper.
//
//go:noinline
func (r Rect) Area() int { // @area
	return r.Width * r.Height // @area-end
}

// Grow has a closure in it.
//
//go:noinline
func (r *Rect) Grow(by int) { // @grow
	each(func(n int) { // @grow-closure
		r.Width += n * by
	})
	r.Height += by // @grow-end
}

//go:noinline
func each(f func(int)) {
	for i := range 3 {
		f(i)
	}
}

// Area is what Rect implements.
type Area interface{ Area() int }

//go:noinline
func measure(a Area) int { return a.Area() }

// Box is a generic type.
type Box[T any] struct {
	Count int
	value T
	list  []T
}

// Put is a method of a generic type.
//
//go:noinline
func (b *Box[T]) Put(v T) { // @put
	b.value = v // @put-body
	b.list = append(b.list, v)
	b.Count++ // @put-end
}

// Map is a generic function.
//
//go:noinline
func Map[T, U any](in []T, f func(T) U) []U { // @map
	out := make([]U, 0, len(in)) // @map-out
	for _, v := range in {       // @map-loop
		out = append(out, f(v)) // @map-append
	}
	return out // @map-end
}

// All uses all of the above.
//
//go:noinline
func All(n int) int {
	r := &Rect{Width: n, Height: n, label: "r", inner: plain.Value{N: n}, scale: 2}
	r.next = r
	r.Grow(n)
	n += measure(*r) + len(r.label) + r.inner.N + r.scale.Apply(n)
	ints, strings := &Box[int]{}, &Box[string]{}
	ints.Put(n)
	strings.Put("s")
	n += ints.Count + strings.Count
	n += len(Map([]int{n}, func(i int) string { return string(rune(i)) }))
	n += len(Map([]string{"s"}, func(s string) int { return len(s) }))
	return n
}
