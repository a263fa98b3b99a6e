// Package loops has loops over functions.
package loops

import (
	"iter"
	"maps"
	"slices"
)

var sink int

// All calls all others.
func All(n int) {
	_ = sum(n)
	_ = find(n)
	_, _ = search(n)
	nested(n)
	blanks(n)
	assigned(n)
	deferred(n)
	_ = keys(map[string]int{"x": n})
	inClosure(n)()
	labels(n)
	_, _ = returned(n)
	for v := range (&list{1, 2}).all {
		sink += v
	}
	_ = generic(upTo(n))
}

type list []int

func (l *list) all(yield func(int) bool) {
	for _, v := range *l {
		if !yield(v) {
			return
		}
	}
}

//go:noinline
func upTo(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

//go:noinline
func pairs(n int) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		for i := range upTo(n) {
			text := "x"
			if !yield(i, text) {
				return
			}
		}
	}
}

//go:noinline
func sum(n int) int {
	total := 0
	for i := range upTo(n) {
		square := i * i
		total += square
	}
	return total
}

//go:noinline
func find(n int) string {
	for i, text := range pairs(n) {
		if i > 2 {
			found := text + text
			return found
		}
	}
	return ""
}

//go:noinline
func search(n int) (at int, err error) {
	for i := range upTo(n) {
		if i == 3 {
			return i, nil
		}
		at = i
	}
	return at, err
}

//go:noinline
func nested(n int) {
	for i := range upTo(n) {
		for j, text := range pairs(i) {
			product := i * j
			sink += product + len(text)
		}
		last := i
		sink += last
	}
}

//go:noinline
func blanks(n int) {
	for range upTo(n) {
		step := sink
		sink = step + 1
	}
	for _, text := range pairs(n) {
		sink += len(text)
	}
	for i := range pairs(n) {
		sink += i
	}
}

//go:noinline
func assigned(n int) {
	var i int
	var text string
	for i, text = range pairs(n) {
		sink += i + len(text)
	}
	sink += i
}

//go:noinline
func deferred(n int) {
	for i := range upTo(n) {
		defer func() {
			sink += i
		}()
	}
}

//go:noinline
func keys(m map[string]int) []string {
	sorted := slices.Sorted(maps.Keys(m))
	for i, key := range slices.Backward(sorted) {
		sink += i + len(key)
	}
	return sorted
}

//go:noinline
func inClosure(n int) func() {
	return func() {
		for i := range upTo(n) {
			each := func() int { return i * n }
			sink += each()
		}
	}
}

func times(n int) func(func() bool) {
	return func(yield func() bool) {
		for range n {
			if !yield() {
				return
			}
		}
	}
}

//go:noinline
func returned(n int) (total int, err error) {
	for range times(n) {
		total++
	}
	for i := range upTo(n) {
		if i == 3 {
			continue
		}
		for j := range upTo(i) {
			k := i * j
			if k > 10 {
				return k, nil
			}
			total += k
			defer func() { total += j }()
		}
	}
	return
}

//go:noinline
func labels(n int) {
outer:
	for i := range upTo(n) {
		for j := range upTo(i) {
			switch {
			case j == 2:
				continue outer
			case j == 4:
				break outer
			}
			sink += j
		}
	}
}

//go:noinline
func generic[S ~func(yield func(T) bool), T any](seq S) (out []T) {
	for v := range seq {
		out = append(out, v)
	}
	return out
}
