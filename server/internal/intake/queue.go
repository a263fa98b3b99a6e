package intake

import "slices"

// queue holds the batches that wait, in a line for each caller. The lines are served
// round robin and each in order, so that a caller's batch waits for the caller's own
// in front of it, and for as many of each other caller, but not for all that came
// first. The zero value is empty.
type queue struct {
	count int
	// order has the callers with a line, in the order in which they are served.
	order []string
	lines map[string][]*waiter
}

// waiter is a batch that waits for its turn.
type waiter struct {
	caller  string
	granted chan permit // has room for one
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

// pop takes out the batch that is next. The queue must not be empty.
func (q *queue) pop() *waiter {
	w := q.lines[q.order[0]][0]
	q.remove(w)
	if len(q.lines[w.caller]) > 0 { // to the end, behind the other lines
		q.order = append(slices.Delete(q.order, 0, 1), w.caller)
	}
	return w
}

// remove takes out w, and reports whether it was there.
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
