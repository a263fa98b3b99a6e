// Package closures has functions in functions.
package closures

import (
	"sort"
	"strings"
	"sync"
)

var (
	sink   int
	double = func(n int) int {
		product := n * 2
		return product
	}
	table = map[string]func(int) int{
		"one": func(n int) int { return n + 1 },
		"two": func(n int) int { return n + 2 },
	}
	once = sync.OnceValue(func() int { return len(table) })
)

func init() {
	sink = double(sink)
	add := func(n int) { sink += n }
	add(2)
}

func init() {
	sink++
}

// All calls all others.
func All(n int) {
	count := counter(n)
	_ = count() + count()
	_ = nested(n)()()
	_ = immediate(n)
	recovered(n)
	_ = sorted([]string{"b", "a"})
	started(n)
	sink += With(n)(1) + With(n+1)(2)
	options(n)
	t := &thing{count: n}
	t.each(func(i int) { sink += i })
	f := t.add
	f(n)
	g := (*thing).add
	g(t, n)
	_ = table["one"](n) + once()
	_ = captured(n, "x", []int{n})
	_ = strings.Map(func(r rune) rune {
		if r == 'x' {
			return 'y'
		}
		return r
	}, "xyz")
	oneLine(n)
	_ = atOnce(n)
	looped(n)
}

//go:noinline
func counter(start int) func() int {
	count := start
	return func() int {
		count++
		return count
	}
}

//go:noinline
func nested(n int) func() func() int {
	a := n + 1
	return func() func() int {
		b := a + n
		return func() int {
			c := a + b
			return c + n
		}
	}
}

//go:noinline
func immediate(n int) (sum int) {
	sum, extra := func() (int, int) {
		half := n / 2
		return half, n - half
	}()
	func() {
		sum += extra
	}()
	return sum
}

//go:noinline
func recovered(n int) {
	defer func() {
		if r := recover(); r != nil {
			sink++
		}
	}()
	defer println2("deferred", n)
	sink = 10 / n
}

//go:noinline
func println2(text string, n int) { sink += len(text) + n }

//go:noinline
func sorted(list []string) []string {
	sort.Slice(list, func(i, j int) bool { return list[i] < list[j] })
	return list
}

//go:noinline
func started(n int) {
	var wait sync.WaitGroup
	wait.Add(2)
	go func() {
		defer wait.Done()
		twice := n * 2
		_ = twice
	}()
	go work(&wait, n)
	wait.Wait()
}

func work(wait *sync.WaitGroup, n int) {
	defer wait.Done()
	_ = n
}

// With gives a closure, and is inlined.
func With(n int) func(int) int {
	return func(m int) int {
		sum := n + m
		return sum
	}
}

type option func(*thing)

func withCount(n int) option {
	return func(t *thing) { t.count = n }
}

func withName(name string) option {
	return func(t *thing) {
		t.name = name
	}
}

func apply(t *thing, options ...option) {
	for _, o := range options {
		o(t)
	}
}

//go:noinline
func options(n int) {
	t := &thing{}
	apply(t, withCount(n), withName("x"))
	apply(t, withName("y"), withCount(n+1))
	sink += t.count
}

type thing struct {
	count int
	name  string
}

//go:noinline
func (t *thing) each(yield func(int)) {
	visit := func(i int) {
		yield(i + t.count)
	}
	for i := range t.count {
		visit(i)
	}
}

//go:noinline
func (t *thing) add(n int) { t.count += n }

//go:noinline
func captured(n int, s string, list []int) func() int {
	total := 0
	for i, v := range list {
		defer func() { sink += i + v }()
		total += v
	}
	if extra := len(s); extra > 0 {
		return func() int {
			n := n + extra
			return n + total
		}
	}
	return func() int { return n + len(list) }
}

//go:noinline
func oneLine(n int) {
	a, b := func() int { return n }, func(m int) int { return n + m }
	sink += a() + b(2)
}

//go:noinline
func atOnce(n int) int {
	x, y := func() int { return n }(), func(m int) int { return n + m }(2)
	z := func(a, b int) (c, d int) { c, d = b, a; return }
	p, q := z(x, y)
	go func() {}()
	defer func() {}()
	defer func(a int) { sink = a }(p)
	go func(b int) { bb := b; _ = bb }(q)
	func(n int) {
		sink = n + x
	}(
		q,
	)
	return func() int { return func() int { return x + y + n }() }()
}

//go:noinline
func looped(n int) {
	each := func(yield func(int) bool) { _ = yield(n) && yield(n+1) }
	for v := range each {
		func() {
			for w := range each {
				sink = v + w
			}
		}()
	}
}
