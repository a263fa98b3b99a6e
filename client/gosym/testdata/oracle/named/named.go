// Package named has functions, types and variables whose names look like others.
package named

import (
	"fmt"
	"sync"
)

var sink any

type func1 struct{ n int }

func (f func1) func1() int         { return f.n }
func (f *func1) func2() func() int { return func() int { return f.n } }

type T struct{ x int }

func (t T) method1(n int) func() int {
	return func() int { return t.x + n }
}

//go:noinline
func (t T) gowrap1(n int) int { return t.x + n }

//go:noinline
func (t *T) deferwrap2(n int) { defer fmt.Sprint(n) }

func gowrap1(n int) int { return n }

func initialize(n int) int {
	init := n
	return init
}

type outer struct {
	inner
	p_, _ int
	_     struct{}
}

type inner struct {
	v     int
	vname string
	_     [0]func()
}

func (i inner) get() int   { return i.v }
func (i *inner) set(v int) { i.v = v }

//go:noinline
func blankRecv(n int) (v, v_, vname, vv int) {
	o := outer{inner: inner{v: n}}
	oinner, op_ := o, n
	v = oinner.v
	v_ = op_
	vname = len(o.vname)
	vv = v + v_
	return
}

func (_ outer) nothing(_ int, _ ...string) (_, _ int) { return 1, 2 }
func (outer) nothing2(int, string) (int, error)       { return 1, nil }

//go:noinline
func mixed(_, b int, _ string) (_ int, c string, _ error) {
	c = fmt.Sprint(b)
	return b, c, nil
}

//go:noinline
func unicode(größe int, 世界 string) (ö int) {
	ä := größe + len(世界)
	ö = ä
	return
}

type ünïcode struct{ ß int }

func (ü *ünïcode) mäthod() int { return ü.ß }

//go:noinline
func wait(n int) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { sink = i })
	}
	wg.Wait()
	var once sync.Once
	once.Do(func() {
		sink = n
	})
}

type rec struct {
	f func(*rec) *rec
	m map[*rec]chan rec
}

func (r *rec) String() string { return "r" }

type (
	alias         = map[string]rec
	gen[T any]    struct{ v T }
	galias[T any] = gen[T]
)

//go:noinline
func aliases(a alias, b galias[int], c any, d error, e []interface{}, f interface{ comparable2 }) alias {
	x := galias[string]{"x"}
	y := struct{ alias }{a}
	sink = x
	sink = y
	return a
}

type comparable2 interface{ M() }

//go:noinline
func localTypes(n int) any {
	type T struct{ a int }
	type U[V any] struct{ v V }
	t := T{n}
	u := U[T]{t}
	f := func() any {
		type T struct{ b string }
		v := T{"x"}
		return v
	}
	sink = f()
	{
		type T []U[int]
		w := T{{n}}
		sink = w
	}
	return u
}

func lt2[X any](x X) any {
	type local struct{ x X }
	l := local{x}
	f := func(l local) local { m := l; return m }
	return f(l)
}

// All calls all others.
func All(n int) {
	f1 := func1{n}
	sink = f1.func1() + f1.func2()()
	t := T{n}
	t.deferwrap2(t.gowrap1(n))
	sink = &t
	sink = t.method1(n)()
	sink = gowrap1(n) + initialize(n)
	blankRecv(n)
	outer{}.nothing(n)
	outer{}.nothing2(n, "")
	mixed(1, n, "")
	unicode(n, "x")
	sink = (&ünïcode{n}).mäthod()
	wait(n)
	aliases(nil, galias[int]{n}, n, nil, nil, nil)
	localTypes(n)
	sink = lt2(n)
	sink = lt2("x")
	o := outer{}
	o.set(n)
	sink = o.get()
}
