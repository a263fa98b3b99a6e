package intake

// fifo is a queue that any entry can be taken out of. The zero value is empty.
type fifo[T any] struct{ first, last *entry[T] }

// entry is a place in a fifo.
type entry[T any] struct {
	value      T
	prev, next *entry[T]
}

func (f *fifo[T]) push(value T) *entry[T] {
	e := &entry[T]{value: value, prev: f.last}
	if f.last == nil {
		f.first = e
	} else {
		f.last.next = e
	}
	f.last = e
	return e
}

// remove takes out e, which must be in f.
func (f *fifo[T]) remove(e *entry[T]) {
	if e.prev == nil {
		f.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		f.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
}
