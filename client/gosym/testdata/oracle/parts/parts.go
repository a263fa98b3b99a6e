// Package parts has structs that the compiler takes apart, and variables that are
// called as their parts are.
package parts

import "unsafe"

var sink any

type doNotCompare [0]func()

// Value is a struct like protoreflect.Value.
type Value struct {
	doNotCompare

	typ unsafe.Pointer
	ptr unsafe.Pointer
	num uint64
}

type pair struct {
	p_, _ int
	name  string
}

type nested struct {
	pair
	inner struct{ a, b int }
	list  [1]pair
	err   error
}

type single struct{ only *int }

type empty struct{}

// All calls all others.
func All(n int) {
	v := Of(n)
	sink = v.Number() + v.Number()
	sink = equal(v, Of(n+1))
	sink = names(n)
	sink = deep(n)
	x, y := swap(pair{p_: n}, pair{name: "x"})
	sink = x.p_ + y.p_
	sink = lone(n)
	sink = zero(n)
	_, sink, _, _ = numbers(n, 2i, "text", []string{"x"}, nil)
	sink = methods(n)
	keep(n, "x", []int{n}, pair{p_: n}, [2]int{n})
	sink = shadowed(n, pair{p_: n})
}

// Of makes a value.
func Of(n int) Value { return Value{num: uint64(n)} }

// Number is what Of was given.
func (v Value) Number() int {
	number := int(v.num)
	return number
}

func (v *Value) pointer() *uint64 {
	p := &v.num
	return p
}

//go:noinline
func equal(v, w Value) bool {
	vNum, vDoNotCompare := v.num, w.num
	if v.typ != w.typ {
		return false
	}
	x := v
	x.num++
	return vNum == vDoNotCompare && x.ptr == w.ptr
}

//go:noinline
func names(n int) int {
	v := pair{p_: n, name: "x"}
	vp_, v_, vname := n+1, n+2, "y"
	if n > 3 {
		v.p_ += vp_
	}
	return v.p_ + v_ + len(vname) + len(v.name)
}

//go:noinline
func deep(n int) (out nested) {
	d := nested{pair: pair{p_: n}}
	d.inner.a = n
	d.list[0].name = "x"
	for i := range n {
		d.inner.b += i
		out = d
	}
	return out
}

//go:noinline
func swap(a, b pair) (pair, pair) {
	defer func() {
		if r := recover(); r != nil {
			sink = r
		}
	}()
	c := a
	c.p_ += len(b.name)
	return b, c
}

//go:noinline
func lone(n int) (s single) {
	s.only = &n
	t := s
	*t.only++
	return t
}

//go:noinline
func zero(n int) empty {
	var e empty
	var a [0]int
	for range n {
		sink = len(a)
	}
	return e
}

//go:noinline
func numbers(n int, c complex128, s string, list []string, i interface{ M() }) (complex128, string, []string, error) {
	re, im := real(c), imag(c)
	if n > 10 {
		d := complex(im, re)
		return d, s, list, nil
	}
	text := s[n:]
	rest := list[n:]
	if i != nil {
		i.M()
	}
	return c, text, rest, nil
}

type thing struct {
	Value
	*pair

	count int
}

func (p *pair) bump(by int) int {
	p.p_ += by
	return p.p_
}

//go:noinline
func methods(n int) int {
	t := &thing{pair: &pair{}, Value: Of(n)}
	f, g, h := t.bump, (*pair).bump, t.Number
	var i interface{ Number() int } = t
	return f(n) + g(t.pair, n) + h() + i.Number() + int(*t.pointer())
}

//go:noinline
func keep(n int, s string, list []int, p pair, a [2]int) {
	all := []any{&n, &s, &list, &p, &a}
	sink = all
	n++
	s += "y"
	list = append(list, n)
	p.p_ = n
	a[0] = n
}

//go:noinline
func shadowed(n int, p pair) (result int) {
	for n := range n {
		p := pair{p_: n}
		result += p.bump(n)
	}
	if result := p.p_; result > 3 {
		sink = func(p pair) int {
			result := p.p_ + n
			return result
		}(p)
	}
	return result
}
