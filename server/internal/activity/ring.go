package activity

import (
	"strings"

	"github.com/scopegate/scopegate/server/internal/text"
)

// ring holds the last values that were put into it.
type ring[T any] struct {
	values []T
	next   int // where the next one goes, once it is full
}

func newRing[T any](size int) ring[T] { return ring[T]{values: make([]T, 0, size)} }

func (r *ring[T]) put(v T) {
	if len(r.values) < cap(r.values) {
		r.values = append(r.values, v)
		return
	}
	r.values[r.next] = v
	r.next = (r.next + 1) % len(r.values)
}

// newest returns what was put last, nil where nothing was.
func (r *ring[T]) newest() *T {
	if len(r.values) == 0 {
		return nil
	}
	return &r.values[(r.next+len(r.values)-1)%len(r.values)]
}

// oldestFirst returns a copy of what is there.
func (r *ring[T]) oldestFirst() []T {
	return append(append(make([]T, 0, len(r.values)), r.values[r.next:]...), r.values[:r.next]...)
}

// maxTextBytes is how much is kept of a text.
const maxTextBytes = 512

// keep returns the beginning of a text, in memory of its own.
func keep(s string) string { return strings.Clone(text.ClipTo(s, maxTextBytes)) }
