// Package blocks has variables of one name in many blocks.
package blocks

import (
	"errors"
	"os"
	"strconv"
)

var sink int

// All calls all others.
func All(n int) {
	shadows(n)
	_ = kinds(n)
	_ = kinds("x")
	_ = kinds(errors.New("x"))
	_ = parse("12")
	selects(n)
	loops(n)
	_ = arrays(n)
	_ = inlined(n, 2) + inlined(n, 3)
	anonymous(n)
	_ = jumps(n)
	long(n)
}

//go:noinline
func shadows(n int) {
	x := n
	{
		x := x + 1
		sink += x
		{
			x := "x"
			sink += len(x)
		}
	}
	if x := x * 2; x > 3 {
		sink += x
	} else if y := x + 1; y > 2 {
		x := y
		sink += x
	}
	sink += x
}

//go:noinline
func kinds(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case int:
		half := v / 2
		return strconv.Itoa(half)
	case string, []byte:
		sink++
		return ""
	case interface {
		Error() string
		Unwrap() error
	}:
		return v.Error()
	case error:
		return v.Error()
	default:
		_ = v
		return ""
	}
}

//go:noinline
func parse(s string) (n int) {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	} else if errors.Is(err, strconv.ErrRange) {
		return -1
	}
	switch length := len(s); {
	case length > 3:
		rest := s[3:]
		n = len(rest)
	case length > 1:
		rest := s[1:]
		n = len(rest) + 1
	}
	return n
}

//go:noinline
func selects(n int) {
	c, done := make(chan int, 1), make(chan struct{}, 1)
	c <- n
	for range 2 {
		select {
		case v, ok := <-c:
			if ok {
				sink += v
			}
			done <- struct{}{}
		case <-done:
			last := n
			sink += last
		}
	}
}

//go:noinline
func loops(n int) {
	for i := 0; i < n; i++ {
		for j := i; j < n; j++ {
			k := i * j
			sink += k
		}
	}
	for i, r := range "text" {
		sink += i + int(r)
	}
	for i := range n {
		sink += i
	}
	for key, value := range map[string]int{"x": n} {
		sink += len(key) + value
	}
	i := n
	for i > 0 {
		i--
	}
}

//go:noinline
func arrays(n int) [4]int {
	var a [4]int
	b := [2][2]string{{"x"}}
	p := &a
	p[n%4] = len(b[0][0])
	s := a[1:3]
	s[0]++
	return a
}

func inlined(n, m int) int {
	sum := 0
	for i := 0; i < m; i++ {
		step := i * n
		sum += step
	}
	if sum > 10 {
		over := sum - 10
		sum = over
	}
	return sum
}

//go:noinline
func anonymous(n int) {
	v := struct {
		a  int
		B  string `json:"b"`
		fn func(int, ...string) (bool, error)
	}{a: n}
	var i interface {
		Name() string
		size() int
	}
	c := make(chan (<-chan int), 1)
	var send chan<- func()
	type local struct{ n int }
	l := []local{{n}}
	type other = map[local]*local
	m := other{}
	m[l[0]] = &l[0]
	if i == nil && send == nil {
		sink += v.a + len(v.B) + cap(c) + len(m)
	}
	if f, err := os.Open(strconv.Itoa(n)); err == nil {
		f.Close()
	}
}

//go:noinline
func jumps(n int) int {
	i := 0
again:
	i++
	if i < n {
		square := i * i
		sink += square
		goto again
	}
	return i
}

//go:noinline
func long(n int) {
	text := join(
		strconv.Itoa(n),
		strconv.Itoa(n+1),
	)
	sink += len(text)
	list := []int{
		n,
		len(text),
		sink,
	}
	sink += len(list)
}

//go:noinline
func join(
	a string,
	b string,
) string {
	return a +
		b
}
