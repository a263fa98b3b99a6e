package intake

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestQueueServesRoundRobin(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pushed  string // batches, each named by its caller and a number
		removed string
		want    string
	}{
		"one caller":           {"a1 a2 a3", "", "a1 a2 a3"},
		"three callers":        {"a1 a2 a3 a4 b1 c1 c2", "", "a1 b1 c1 a2 c2 a3 a4"},
		"first of a line":      {"a1 a2 b1", "a1", "a2 b1"},
		"middle of a line":     {"a1 a2 a3 b1", "a2", "a1 b1 a3"},
		"all of a line":        {"a1 a2 b1 b2 c1", "b1 b2", "a1 c1 a2"},
		"all":                  {"a1 b1", "b1 a1", ""},
		"removed twice":        {"a1 a2 b1", "a1 b1 a1", "a2"},
		"caller without name":  {"a1 1 2", "", "a1 1 2"},
		"nobody waits":         {"", "", ""},
		"a late caller's turn": {"a1 a2 a3 b1 b2", "a1", "a2 b1 a3 b2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var q queue
			waiting := map[string]*waiter{}
			names := map[*waiter]string{}
			for batch := range strings.FieldsSeq(test.pushed) {
				w := q.push(batch[:len(batch)-1])
				waiting[batch], names[w] = w, batch
			}
			for batch := range strings.FieldsSeq(test.removed) {
				_, want := names[waiting[batch]]
				if got := q.remove(waiting[batch]); got != want {
					t.Errorf("remove(%s) = %v, want %v", batch, got, want)
				}
				delete(names, waiting[batch])
			}
			var got []string
			for q.count > 0 {
				got = append(got, names[q.pop()])
			}
			if got := strings.Join(got, " "); got != test.want {
				t.Errorf("served %q, want %q", got, test.want)
			}
			if len(q.order) != 0 || len(q.lines) != 0 {
				t.Errorf("empty queue holds order %q and %d lines, want none", q.order, len(q.lines))
			}
		})
	}
}

// Whatever is pushed, popped and removed: each line is served in order, and none is
// served twice while another one waits.
func TestQueueIsFair(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var q queue
		lines := map[string][]*waiter{}     // what should wait
		passedOver := map[string][]string{} // whom q has served since each line came or was served
		drop := func(w *waiter) {
			lines[w.caller] = slices.DeleteFunc(slices.Clone(lines[w.caller]), func(o *waiter) bool { return o == w })
			if len(lines[w.caller]) == 0 {
				delete(lines, w.caller)
				delete(passedOver, w.caller)
			}
		}
		skipIfEmpty := func(rt *rapid.T) {
			if len(lines) == 0 {
				rt.Skip("nobody waits")
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"push": func(rt *rapid.T) {
				caller := rapid.SampledFrom([]string{"a", "b", "c", ""}).Draw(rt, "caller")
				lines[caller] = append(lines[caller], q.push(caller))
			},
			"pop": func(rt *rapid.T) {
				skipIfEmpty(rt)
				w := q.pop()
				if want := lines[w.caller]; len(want) == 0 || w != want[0] {
					rt.Fatalf("popped a batch of %q that is not the first of its line", w.caller)
				}
				passedOver[w.caller] = nil
				drop(w)
				for caller := range lines {
					if caller == w.caller {
						continue
					}
					if slices.Contains(passedOver[caller], w.caller) {
						rt.Fatalf("%q was served twice while %q waited", w.caller, caller)
					}
					passedOver[caller] = append(passedOver[caller], w.caller)
				}
			},
			"remove": func(rt *rapid.T) {
				skipIfEmpty(rt)
				caller := rapid.SampledFrom(slices.Sorted(maps.Keys(lines))).Draw(rt, "caller")
				w := rapid.SampledFrom(lines[caller]).Draw(rt, "batch")
				if !q.remove(w) || q.remove(w) {
					rt.Fatal("remove did not report that the batch waited once")
				}
				drop(w)
			},
			"": func(rt *rapid.T) {
				count := 0
				for _, line := range lines {
					count += len(line)
				}
				if q.count != count || len(q.order) != len(lines) {
					rt.Fatalf("%d batches in %d lines wait, want %d in %d", q.count, len(q.order), count, len(lines))
				}
				if !maps.EqualFunc(q.lines, lines, slices.Equal) {
					rt.Fatalf("lines %v wait, want %v", q.lines, lines)
				}
			},
		})
	})
}
