// Package other has another name than its folder.
package other

import "iter"

// Counter counts.
type Counter[T comparable] struct {
	counts map[T]int
	last   T
}

// Number is generic and no struct.
type Number[T ~int | ~string] []T

// Alias stands for an instance.
type Alias = Counter[string]

// Pairs is an alias with a parameter.
type Pairs[V any] = map[string]V

// Add counts a value, and is inlined.
func (c *Counter[T]) Add(value T) int {
	if c.counts == nil {
		c.counts = map[T]int{}
	}
	c.counts[value]++
	c.last = value
	return c.counts[value]
}

// All ranges over the values.
func (c *Counter[T]) All() iter.Seq2[T, int] {
	return func(yield func(T, int) bool) {
		for value, count := range c.counts {
			if !yield(value, count) {
				return
			}
		}
	}
}

// Each calls f for the values, and is inlined.
func (c *Counter[T]) Each(f func(T)) {
	for value := range c.All() {
		f(value)
	}
}

// Len is a method of a type that is no struct.
func (n Number[T]) Len() int {
	length := len(n)
	return length
}

// Keep makes a closure of a generic function, and is inlined.
func Keep[T any](value T) func() T {
	kept := value
	return func() T {
		copied := kept
		return copied
	}
}

// Lookup takes an instance of an alias.
func Lookup[V any](pairs Pairs[V], key string) (value V, ok bool) {
	value, ok = pairs[key]
	return value, ok
}

// Twice applies f twice, and is inlined with its argument.
func Twice(n int, f func(int) int) int {
	once := f(n)
	return f(once)
}

// Both gives two literals of one line, and is inlined.
func Both(n int) (func() int, func(int) int) {
	return func() int { return n }, func(m int) int { return n + m }
}

// Alike gives two literals of one line that have the same arguments, and is inlined.
func Alike(n int) []func(m int) int {
	return []func(m int) int{func(m int) int { return m + n }, func(m int) int { k := m * n; return k }}
}

// Run runs two literals in one line, and is inlined.
func Run(n int) (total int) {
	Twice(n, func(m int) int { total += m; return m })
	Twice(n+1, func(m int) int { total *= m; return m })
	return total
}
