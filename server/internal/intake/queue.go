package intake

import "slices"

// queue holds the batches that wait, one line per caller. It serves the lines round
// robin, and each line in order. So a batch waits for those ahead of it in its line,
// and for as many of each other caller, however many those have queued. The zero value
// is an empty queue.
type queue struct {
	count int
	// order lists the callers that have a line; the first is served next.
	order []string
	lines map[string][]*waiter
}

// waiter is a batch that waits for its turn.
type waiter struct {
	caller  string
	granted chan permit // buffered, so that granting never blocks
}

// push adds a batch to the end of its caller's line.
func (q *queue) push(caller string) *waiter {
	if q.lines == nil {
		q.lines = make(map[string][]*waiter)
	}
	w := &waiter{caller: caller, granted: make(chan permit, 1)}
	if len(q.lines[caller]) == 0 {
		q.order = append(q.order, caller)
	}
	q.lines[caller] = append(q.lines[caller], w)
	q.count++
	return w
}

// pop removes and returns the next batch. The queue must not be empty.
func (q *queue) pop() *waiter {
	w := q.lines[q.order[0]][0]
	q.remove(w)
	if len(q.lines[w.caller]) > 0 { // its line goes behind the others
		q.order = append(slices.Delete(q.order, 0, 1), w.caller)
	}
	return w
}

// remove removes w and reports whether it was in the queue.
func (q *queue) remove(w *waiter) bool {
	line := q.lines[w.caller]
	i := slices.Index(line, w)
	if i < 0 {
		return false
	}
	q.count--
	if len(line) > 1 {
		q.lines[w.caller] = slices.Delete(line, i, i+1)
		return true
	}
	delete(q.lines, w.caller)
	i = slices.Index(q.order, w.caller)
	q.order = slices.Delete(q.order, i, i+1)
	return true
}
