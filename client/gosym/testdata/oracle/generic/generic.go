// Package generic has generic functions and types with several instances.
package generic

import (
	"cmp"
	"slices"
	"strconv"
)

// Number is what Sum adds.
type Number interface{ ~int | ~float64 }

// Box is a generic type.
type Box[T any] struct {
	Count int
	value T
	list  []T
	next  *Box[T]
	index map[string]Box[int]
}

// Both is one with two parameters.
type Both[K cmp.Ordered, V any] struct {
	keys   []K
	values map[K]V
	box    Box[V]
}

// Named is one that is embedded.
type Named struct {
	Box[string]

	name string
}

type point struct{ x, y int }

// All calls all others.
func All(n int) {
	ints, strs, points := &Box[int]{}, &Box[string]{}, &Box[point]{}
	ints.Put(n)
	strs.Put("x")
	points.Put(point{n, n})
	_, _ = ints.Get(0)
	_, _ = points.Get(0)
	b := Both[string, point]{values: map[string]point{}}
	b.Set("x", point{n, n})
	c := Both[int, *Box[int]]{values: map[int]*Box[int]{}}
	c.Set(n, ints)
	_ = Map([]int{n}, func(i int) string { return strconv.Itoa(i) })
	_ = Map([]string{"x"}, func(s string) point { return point{len(s), n} })
	_ = Sum(n, n+1) + int(Sum(1.5, 2))
	_ = Sorted(map[string]int{"x": n})
	_ = Sorted(map[int]point{n: {}})
	_ = first(n, "x") + first(n, 2.5)
	_ = count(&point{n, n}, func(p *point) int { return p.x })
	_ = (&Named{name: "n"}).describe()
	_ = local(n) + local(int8(n))
	_ = blank[int](n, "x", 0) + blank[string](n, "x", "y")
	_ = spelled(n) + len(spelledGeneric("x")) + embedded(nil)
}

// Put adds a value.
//
//go:noinline
func (b *Box[T]) Put(value T) {
	b.value = value
	b.list = append(b.list, value)
	b.Count++
}

// Get is the value at a place.
//
//go:noinline
func (b *Box[T]) Get(i int) (value T, ok bool) {
	if i >= len(b.list) {
		return value, false
	}
	found := b.list[i]
	return found, true
}

// Set sets a value.
//
//go:noinline
func (b *Both[K, V]) Set(key K, value V) {
	old, ok := b.values[key]
	if !ok {
		b.keys = append(b.keys, key)
	} else {
		b.box.Put(old)
	}
	b.values[key] = value
}

// Map applies convert to all.
//
//go:noinline
func Map[T, U any](list []T, convert func(T) U) []U {
	out := make([]U, 0, len(list))
	for i, from := range list {
		to := convert(from)
		if i > 3 {
			to = convert(list[0])
		}
		out = append(out, to)
	}
	return out
}

// Sum adds.
//
//go:noinline
func Sum[N Number](numbers ...N) N {
	var total N
	for _, number := range numbers {
		total += number
	}
	return total
}

// Sorted are the keys in order.
func Sorted[M ~map[K]V, K cmp.Ordered, V any](m M) []K {
	keys := make([]K, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b K) int {
		order := cmp.Compare(a, b)
		return -order
	})
	return keys
}

func first[T any](n int, values ...T) int {
	if len(values) == 0 {
		none := n - 1
		return none
	}
	return n
}

//go:noinline
func count[P *E, E any](p P, of func(P) int) int {
	total := of(p)
	each := func() int {
		total++
		return of(p)
	}
	return each() + total
}

//go:noinline
func (n *Named) describe() string { return n.name + n.value }

//go:noinline
func local[T Number | ~int8](n T) int {
	type item struct {
		value T
		count int
	}
	items := []item{{n, 1}}
	for _, it := range items {
		if it.count > 1 {
			return it.count
		}
	}
	return len(items)
}

//go:noinline
func blank[T comparable](n int, _ string, t T) int {
	var zero T
	if t == zero {
		return n
	}
	return n + 1
}

//go:noinline
func spelled(n int) int {
	type value struct{ n int }
	type box[T any] struct{ value T }
	b := box[value]{value{n}}
	list := []box[int]{{n}}
	return b.value.n + len(list)
}

//go:noinline
func spelledGeneric[T any](value T) string {
	type box[U any] struct {
		value T
		other U
	}
	b := box[int]{value, 1}
	return strconv.Itoa(b.other)
}

type table = map[string]point

type text = string

type names = Named

//go:noinline
func embedded(t table) int {
	all := struct {
		table
		text
		*names
		Box[int]
	}{table: t, text: "x"}
	return len(all.table) + len(all.text) + all.Count
}
