// Package across inlines what other packages declare.
package across

import (
	"iter"
	"maps"
	"slices"
	"sync"

	other "example.com/oracle/dotted.v2"
	"example.com/oracle/parts"
)

var (
	sink  any
	total = sync.OnceValue(func() int {
		sum := 0
		for i := range 3 {
			sum += i
		}
		return sum
	})
	kept = other.Keep("x")
	each = map[string]func(n int) int{
		"one": func(n int) int { return other.Twice(n, func(m int) int { return m + n }) },
	}
)

func _() { sink = 1 }

func _() { sink = func() int { return 2 }() }

// All calls all others.
func All(n int) {
	sink = counters(n)
	sink = keeps(n)
	sink = total() + len(kept()) + each["one"](n)
	sink = sequences(n)
	sink = locals(n)
	sink = twice(n)
	sink = parts.Of(n).Number()
	pulled(n)
	sink = recursive(n)
	sink = fields(n)
	sink = oneLine(n)
	sink, _ = visit(&tree{left: &tree{}, value: n})
}

//go:noinline
func counters(n int) int {
	var ints other.Counter[int]
	var strs other.Alias
	ints.Add(n)
	added := strs.Add("x") + strs.Add("y")
	ints.Each(func(i int) { added += i })
	strs.Each(func(s string) {
		length := len(s)
		added += length
	})
	for value, count := range strs.All() {
		added += len(value) + count
	}
	return added + other.Number[int]{n}.Len() + other.Number[string]{"x"}.Len()
}

//go:noinline
func keeps(n int) int {
	a, b := other.Keep(n), other.Keep(&n)
	c := other.Keep(parts.Of(n))
	value := c()
	found, ok := other.Lookup(other.Pairs[int]{"x": n}, "x")
	if !ok {
		return found
	}
	return a() + *b() + value.Number()
}

//go:noinline
func sequences(n int) []string {
	m := map[string]int{"x": n, "y": n + 1}
	filtered := filter(maps.Keys(m), func(s string) bool { return len(s) > n-1 })
	for s := range filter(filtered, func(s string) bool { return s != "y" }) {
		sink = s
	}
	return slices.Collect(filtered)
}

func filter[T any](seq iter.Seq[T], keep func(T) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		for v := range seq {
			if keep(v) && !yield(v) {
				return
			}
		}
	}
}

//go:noinline
func locals(n int) int {
	type item struct{ n int }
	one := []item{{n}}
	func() {
		type item struct{ s string }
		two := map[string]item{"x": {"x"}}
		sink = two
	}()
	type list []item
	three := list(one)
	return len(three) + more(n)
}

//go:noinline
func more(n int) int {
	type item = *struct{ a, b int }
	var i item
	if n > 10 {
		i = &struct{ a, b int }{n, n}
	}
	if i == nil {
		return 0
	}
	return i.a
}

//go:noinline
func twice(n int) int {
	offset := n + 1
	first := other.Twice(n, func(m int) int {
		moved := m + offset
		return moved
	})
	return other.Twice(first, func(m int) int {
		return other.Twice(m, func(k int) int { return k * offset })
	})
}

//go:noinline
func pulled(n int) {
	next, stop := iter.Pull(slices.Values([]int{n, n + 1}))
	defer stop()
	for {
		v, ok := next()
		if !ok {
			break
		}
		sink = v
	}
}

//go:noinline
func recursive(n int) int {
	var fib func(n int) int
	fib = func(n int) int {
		if n < 2 {
			return n
		}
		return fib(n-1) + fib(n-2)
	}
	return fib(n)
}

type handlers struct {
	open  func(name string) error
	close func()
}

//go:noinline
func fields(n int) handlers {
	state := map[string]int{}
	return handlers{
		open: func(name string) error {
			state[name] += n
			return nil
		},
		close: func() { clear(state) },
	}
}

type tree struct {
	left, right *tree
	value       int
}

func (t *tree) all(yield func(*tree) bool) bool {
	if t == nil {
		return true
	}
	return t.left.all(yield) && yield(t) && t.right.all(yield)
}

func (t *tree) nodes() iter.Seq[*tree] {
	return func(yield func(*tree) bool) { t.all(yield) }
}

//go:noinline
func visit(t *tree) (sum int, err error) {
	defer func() {
		sum++
	}()
	for node := range t.nodes() {
		for inner := range node.nodes() {
			if inner.value > 10 {
				return inner.value, nil
			}
			defer func(v int) { sum += v }(inner.value)
		}
		sum += node.value
	}
	return sum, err
}

//go:noinline
func oneLine(n int) int {
	first, second := other.Both(n)
	third, fourth := other.Both(n + 1)
	sum := first() + second(n) + third() + fourth(n) + other.Run(n)
	for _, f := range append(other.Alike(n), other.Alike(n+1)...) {
		sum += f(n)
	}
	for v := range func(yield func(int) bool) { _ = yield(n) && yield(n+1) } {
		for w := range func(yield func(int) bool) { _ = yield(v) } {
			sum += v * w
		}
	}
	x, y := func(a int) int { return a + n }, func(a int) int { return a - n }
	return sum + x(n) + y(n) + twoHere(n) + twoHere(n+1)
}

func twoHere(n int) int {
	a, b := func(m int) int { return n + m }, func(m int) int { k := n - m; return k }
	return a(n) + b(n)
}
