package intake

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// hasCome tells whether w's turn has come.
func (w *waiter) hasCome() bool {
	select {
	case <-w.come:
		return true
	default:
		return false
	}
}

func TestTurnsGoRound(t *testing.T) {
	t.Parallel()
	turns := newTurns(1)
	turns.join("holder")
	waiting := map[string]*waiter{}
	for name := range strings.FieldsSeq("a1 a2 a3 a4 b1 c1 c2") {
		waiting[name] = turns.join(name[:1])
	}
	var got []string
	for range len(waiting) {
		turns.give()
		for name, w := range waiting {
			if w.hasCome() && !slices.Contains(got, name) {
				got = append(got, name)
			}
		}
	}
	if want := "a1 b1 c1 a2 c2 a3 a4"; strings.Join(got, " ") != want {
		t.Errorf("served %v, want %s", got, want)
	}
}

// model of turns: slow, and plainly right.
type turnsModel struct {
	limit   int
	holders []*waiter
	waiting map[string][]*waiter
	order   []string
}

func (m *turnsModel) count() (n int) {
	for _, line := range m.waiting {
		n += len(line)
	}
	return n
}

func (m *turnsModel) join(caller string, w *waiter) {
	if len(m.holders) < m.limit {
		m.holders = append(m.holders, w)
		return
	}
	if len(m.waiting[caller]) == 0 {
		m.order = append(m.order, caller)
	}
	m.waiting[caller] = append(m.waiting[caller], w)
}

func (m *turnsModel) give(holder int) {
	m.holders = slices.Delete(m.holders, holder, holder+1)
	if len(m.order) == 0 {
		return
	}
	caller := m.order[0]
	m.order = m.order[1:]
	line := m.waiting[caller]
	m.holders = append(m.holders, line[0])
	m.waiting[caller] = line[1:]
	if len(line) > 1 {
		m.order = append(m.order, caller)
	}
}

func (m *turnsModel) leave(caller string, place int) *waiter {
	line := m.waiting[caller]
	w := line[place]
	m.waiting[caller] = slices.Delete(slices.Clone(line), place, place+1)
	if len(line) == 1 {
		m.order = slices.DeleteFunc(m.order, func(c string) bool { return c == caller })
	}
	return w
}

// Whatever happens: those have a turn, and those wait, that the model says.
func TestTurnsAreLikeTheirModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := &turnsModel{limit: rapid.IntRange(1, 4).Draw(rt, "limit"), waiting: map[string][]*waiter{}}
		turns := newTurns(m.limit)
		callers := rapid.SampledFrom([]string{"a", "b", "c", ""})
		rt.Repeat(map[string]func(*rapid.T){
			"join": func(rt *rapid.T) {
				caller := callers.Draw(rt, "caller")
				m.join(caller, turns.join(caller))
			},
			"give": func(rt *rapid.T) {
				if len(m.holders) == 0 {
					rt.Skip("nobody has a turn")
				}
				m.give(rapid.IntRange(0, len(m.holders)-1).Draw(rt, "holder"))
				turns.give()
			},
			"leave": func(rt *rapid.T) {
				if len(m.order) == 0 {
					rt.Skip("nobody waits")
				}
				caller := rapid.SampledFrom(m.order).Draw(rt, "caller")
				turns.leave(m.leave(caller, rapid.IntRange(0, len(m.waiting[caller])-1).Draw(rt, "place")))
			},
			"leave with a turn": func(rt *rapid.T) { // cancelled just as it came
				if len(m.holders) == 0 {
					rt.Skip("nobody has a turn")
				}
				holder := rapid.IntRange(0, len(m.holders)-1).Draw(rt, "holder")
				w := m.holders[holder]
				m.give(holder)
				turns.leave(w)
			},
			"": func(rt *rapid.T) { compare(rt, turns, m) },
		})
		for len(m.holders) > 0 {
			m.give(0)
			turns.give()
			compare(rt, turns, m)
		}
		if turns.free != m.limit || m.count() > 0 {
			rt.Fatalf("in the end %d turns are free, and %d wait", turns.free, m.count())
		}
	})
}

func compare(rt *rapid.T, turns *turns, m *turnsModel) {
	if turns.free != m.limit-len(m.holders) {
		rt.Fatalf("%d turns are free with %d of %d held", turns.free, len(m.holders), m.limit)
	}
	for _, w := range m.holders {
		if !w.hasCome() {
			rt.Fatal("a turn did not come")
		}
	}
	var order []string
	for place := turns.order.first; place != nil; place = place.next {
		order = append(order, place.value.caller)
		var line []*waiter
		for w := place.value.waiters.first; w != nil; w = w.next {
			line = append(line, w.value)
			if w.value.hasCome() {
				rt.Fatal("waits although its turn has come")
			}
		}
		if !slices.Equal(line, m.waiting[place.value.caller]) {
			rt.Fatalf("the line of %q is not the model's", place.value.caller)
		}
	}
	if !slices.Equal(order, m.order) || len(turns.lines) != len(m.order) {
		rt.Fatalf("lines %q (%d by caller), want %q", order, len(turns.lines), m.order)
	}
}

func TestTakeFailsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(1)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := turns.take(ended, "a"); !errors.Is(err, context.Canceled) || turns.free != 1 {
			t.Errorf("ended before it began: %v, %d free", err, turns.free)
		}
		if err := turns.take(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := turns.take(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if turns.order.first != nil || len(turns.lines) != 0 {
			t.Error("what was cancelled still stands in line")
		}
		turns.give()
		if turns.free != 1 {
			t.Errorf("%d turns are free", turns.free)
		}
	})
}

// Takers that give up at the very moment when their turn may come.
func TestTurnsUnderContention(t *testing.T) {
	t.Parallel()
	const limit, takers = 3, 2000
	turns := newTurns(limit)
	var holding, served atomic.Int32
	var all sync.WaitGroup
	for i := range takers {
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			mayGiveUp := i%2 == 0
			if mayGiveUp {
				time.AfterFunc(rand.N(3*time.Millisecond), cancel)
			}
			switch err := turns.take(ctx, strconv.Itoa(i%7)); {
			case err == nil:
				if n := holding.Add(1); n > limit {
					t.Errorf("%d have a turn", n)
				}
				served.Add(1)
				holding.Add(-1)
				turns.give()
			case !mayGiveUp:
				t.Error(err)
			}
		})
	}
	all.Wait()
	t.Logf("%d of %d were served", served.Load(), takers)
	if turns.free != limit || turns.order.first != nil || len(turns.lines) != 0 {
		t.Errorf("%d turns are free, %d lines", turns.free, len(turns.lines))
	}
}
