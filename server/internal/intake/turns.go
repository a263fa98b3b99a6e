package intake

import (
	"context"
	"sync"
)

// turns lets a number of attempts at posting go on at once. What has to wait
// stands in a line of its caller's; the lines are served round robin, and each
// line in order, so that a caller waits for as many of another's attempts as it
// has itself, and not for all that came first.
//
// What it holds is bounded by the attempts that wait: an attempt that gives up is
// taken out at once, and so is a line that nobody stands in.
type turns struct {
	mu sync.Mutex
	// limit is how many turns there are, free how many nobody has; while anybody
	// waits that is 0.
	limit, free int
	waiting     int
	// lines are those that somebody stands in, by caller and in the order in
	// which they are served.
	lines map[string]*line
	order fifo[*line]
}

// line is what waits of one caller.
type line struct {
	caller  string
	place   *entry[*line]
	waiters fifo[*waiter]
}

// waiter is an attempt that waits for its turn.
type waiter struct {
	// come is closed when the turn has come.
	come chan struct{}
	line *line
	// place is nil from when the turn has come.
	place *entry[*waiter]
}

func newTurns(limit int) *turns {
	return &turns{limit: limit, free: limit, lines: make(map[string]*line)}
}

// take waits for a turn, which give has to give back. It fails with the context's
// error, and then there is nothing to give back.
func (t *turns) take(ctx context.Context, caller string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := t.join(caller)
	select {
	case <-w.come:
		return nil
	case <-ctx.Done():
		t.leave(w)
		return ctx.Err()
	}
}

// give gives a turn back, to who is next.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.order.first
	if l == nil {
		t.free++
		return
	}
	w := l.value.waiters.first.value
	t.remove(w)
	if w.line.waiters.first != nil { // to the end, behind all other lines
		t.order.remove(w.line.place)
		w.line.place = t.order.push(w.line)
	}
	close(w.come)
}

// join stands in the caller's line, unless a turn is free.
func (t *turns) join(caller string) *waiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &waiter{come: make(chan struct{})}
	if t.free > 0 {
		t.free--
		close(w.come)
		return w
	}
	w.line = t.lines[caller]
	if w.line == nil {
		w.line = &line{caller: caller}
		w.line.place = t.order.push(w.line)
		t.lines[caller] = w.line
	}
	w.place = w.line.waiters.push(w)
	t.waiting++
	return w
}

// leave gives up w's place, or its turn where that has just come.
func (t *turns) leave(w *waiter) {
	t.mu.Lock()
	if w.place == nil {
		t.mu.Unlock()
		t.give()
		return
	}
	t.remove(w)
	t.mu.Unlock()
}

// remove takes w out of its line.
func (t *turns) remove(w *waiter) {
	w.line.waiters.remove(w.place)
	w.place = nil
	t.waiting--
	if w.line.waiters.first == nil {
		t.order.remove(w.line.place)
		delete(t.lines, w.line.caller)
	}
}
