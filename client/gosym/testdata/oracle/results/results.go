// Package results has functions with all kinds of parameters and results.
package results

import (
	"errors"
	"sync"
)

var (
	mu      sync.Mutex
	sink    int
	pointer *int
	kept    *Pair
	errOdd  = errors.New("odd")
)

// Pair is a struct that the compiler takes apart.
type Pair struct {
	_     [0]func()
	Left  int
	Right string
}

// Wide is one that it does not.
type Wide struct {
	A, B, C, D, E, F int
	Name             string
}

// All calls all others.
func All(n int) {
	_, _ = deferred(n)
	_, _ = named(n)
	_, _, _ = namedDeferred(n, "x")
	_ = pair(n)
	_, _ = pairs(n, Pair{Left: n})
	_ = wide(n, Wide{A: n})
	_ = namedWide(n)
	escapes(n, Pair{Left: n})
	_ = escapingResult(n)
	_ = *ptr(n) + *ptr(n + 1)
	_, _ = blank(n, "x", nil)
	_, _ = blankResults(n)
	_ = variadic("x", n, n)
	_ = variadic("y")
	Value(n).both(n)
	(*Wide)(&Wide{}).set(n)
	_ = Value(n).unnamed()
	_ = inlinedOnly(n) + inlinedOnly(n+1)
	_, _ = inlinedPair(n)
	several(n, n, "x", "y", 1, 2)
}

//go:noinline
func deferred(n int) (int, error) {
	mu.Lock()
	defer mu.Unlock()
	if n%2 == 1 {
		return 0, errOdd
	}
	return n, nil
}

//go:noinline
func named(n int) (half int, err error) {
	half = n / 2
	if n%2 == 1 {
		err = errOdd
		return
	}
	return half + 1, nil
}

//go:noinline
func namedDeferred(n int, s string) (count int, text string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errOdd
		}
	}()
	count = 10 / n
	text = s + s
	return count, text, nil
}

//go:noinline
func pair(n int) Pair {
	p := Pair{Left: n, Right: "x"}
	if n > 3 {
		p.Left++
	}
	return p
}

//go:noinline
func pairs(n int, p Pair) (Pair, Pair) {
	q := p
	q.Left += n
	p.Right += "y"
	return p, q
}

//go:noinline
func wide(n int, w Wide) Wide {
	w.A += n
	copied := w
	copied.Name = "copied"
	return copied
}

//go:noinline
func namedWide(n int) (w Wide) {
	for i := range n {
		w.B += i
	}
	return w
}

//go:noinline
func escapes(n int, p Pair) {
	pointer = &n
	kept = &p
	*pointer++
	kept.Left = n
}

//go:noinline
func escapingResult(n int) (result int) {
	pointer = &result
	result = n
	*pointer += n
	return result
}

func ptr[T any](val T) *T { return &val }

//go:noinline
func blank(_ int, s string, _ error) (_ int, _ error) {
	sink += len(s)
	return sink, nil
}

//go:noinline
func blankResults(n int) (_ int, ok bool) {
	ok = n > 1
	return n, ok
}

//go:noinline
func variadic(prefix string, numbers ...int) (sum int) {
	for _, number := range numbers {
		sum += number
	}
	return sum + len(prefix)
}

// Value is a type with methods that is no struct.
type Value int

//go:noinline
func (v Value) both(n int) (Value, int) {
	sink = n
	return v + 1, n
}

//go:noinline
func (Value) unnamed() string { return errOdd.Error() }

//go:noinline
func (w *Wide) set(_ int) { w.A++ }

func inlinedOnly(n int) int {
	twice := n * 2
	if twice > 10 {
		less := twice - 1
		return less
	}
	return twice
}

func inlinedPair(n int) (low, high int) {
	low = n & 0xFF
	high = n >> 8
	return low, high
}

//go:noinline
func several(
	a, b int,
	c, d string,
	e,
	f float64,
) (
	sum int,
	text string,
	_ float64,
) {
	sum = a + b
	text = c + d
	return sum, text, e + f
}
