package memory_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/scopegate/scopegate/server/internal/memory"
)

// orders records the orders to each account.
type orders struct {
	mu        sync.Mutex
	squeezes  []string
	ends      []string
	squeezeAt []time.Time
}

func (o *orders) of(name string) func(memory.Order) {
	return func(order memory.Order) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if order == memory.End {
			o.ends = append(o.ends, name)
			return
		}
		o.squeezes = append(o.squeezes, name)
		o.squeezeAt = append(o.squeezeAt, time.Now())
	}
}

func (o *orders) taken() (squeezes, ends []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.squeezes), slices.Clone(o.ends)
}

func (o *orders) open(t *testing.T, b *memory.Budget, name string, heldBytes int) *memory.Account {
	t.Helper()
	a := b.Open(0, o.of(name))
	if err := begin(a, memory.Tenant{}, "a"); err != nil {
		t.Fatal(err)
	}
	a.Draw(heldBytes)
	return a
}

// Above the threshold the largest accounts are squeezed, until what they hold is enough.
// Accounts with only attributed bytes are passed over. Accounts that had nothing to give
// are not asked again for a while.
func TestSqueezeLargest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Limits{Bytes: limitBytes})
		defer b.Close()
		var o orders
		accounts := []*memory.Account{
			o.open(t, b, "small", percent(3)),
			o.open(t, b, "large", percent(8)),
			o.open(t, b, "carrying", 0),
			o.open(t, b, "middle", percent(6)),
		}
		accounts[2].Attribute(percent(40))
		b.Draw(percent(80) - percent(17))
		pass(time.Minute)
		if squeezes, _ := o.taken(); squeezes != nil {
			t.Errorf("%v were squeezed at the threshold", squeezes)
		}
		b.Draw(percent(3)) // 8 are missing
		pass(time.Millisecond)
		if squeezes, _ := o.taken(); !slices.Equal(squeezes, []string{"large"}) {
			t.Errorf("%v were squeezed, want the largest", squeezes)
		}
		pass(900 * time.Millisecond)
		squeezes, ends := o.taken()
		slices.Sort(squeezes)
		if !slices.Equal(squeezes, []string{"large", "middle", "small"}) || ends != nil {
			t.Errorf("%v were squeezed, want each once; %v were asked to end", squeezes, ends)
		}
		pass(time.Second)
		squeezes, _ = o.taken()
		if slices.Sort(squeezes); len(squeezes) != 6 {
			t.Errorf("%v were squeezed, want each twice", squeezes)
		}
		b.Draw(percent(-3))
		accounts[2].Attribute(-percent(40))
		b.Draw(-(percent(80) - percent(17)))
		end(accounts...)
	})
}

// It is not remembered for long that an account had nothing to give: it is squeezed again
// each second, and when memory is short the next time.
func TestSqueezeAgainLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Limits{Bytes: limitBytes})
		defer b.Close()
		var o orders
		a := o.open(t, b, "a", percent(10))
		for range 3 {
			b.Draw(percent(75))
			pass(10 * time.Second)
			b.Draw(-percent(75))
			pass(10 * time.Second)
		}
		squeezes, _ := o.taken()
		if len(squeezes) < 3*9 || len(squeezes) > 3*11 {
			t.Errorf("squeezed %d times, want about once a second while memory is short", len(squeezes))
		}
		for i := range o.squeezeAt[1:] {
			if gap := o.squeezeAt[i+1].Sub(o.squeezeAt[i]); gap > 12*time.Second {
				t.Errorf("not squeezed for %v, want for as long as there was memory", gap)
			}
		}
		end(a)
	})
}

// No stream is ended before the budget is exceeded. Then a few are ended at
// a time, the largest of those that receive.
func TestEndIsLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Limits{Bytes: limitBytes})
		defer b.Close()
		var o orders
		var accounts []*memory.Account
		for i := range 32 {
			a := o.open(t, b, string(rune('A'+i)), 1+i)
			if i < 20 {
				a.Receiving(time.Now())
			} else {
				a.Receiving(time.Time{})
			}
			accounts = append(accounts, a)
		}
		b.Draw(percent(99))
		pass(time.Minute)
		if _, ends := o.taken(); ends != nil {
			t.Errorf("%v were asked to end while there was memory", ends)
		}
		b.Draw(percent(2))
		pass(110 * time.Millisecond) // collect garbage, then look again

		_, ends := o.taken()
		slices.Sort(ends)
		if ends = slices.Compact(ends); !slices.Equal(ends, []string{"R", "S", "T"}) {
			t.Errorf("%v were asked to end, want the three that receive and hold most", ends)
		}
		for _, a := range accounts {
			a.Receiving(time.Time{})
		}
		pass(time.Second)
		_, before := o.taken()
		pass(time.Minute)
		if _, after := o.taken(); len(after) != len(before) {
			t.Errorf("%d accounts that do not receive were asked to end", len(after)-len(before))
		}
		b.Draw(-percent(101))
		end(accounts...)
	})
}

// If no account receives, the waiting ones are asked to end, each once, the largest first.
func TestEndWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Limits{Bytes: limitBytes})
		defer b.Close()
		var o orders
		accounts := []*memory.Account{
			o.open(t, b, "small", percent(10)),
			o.open(t, b, "large", percent(30)),
			o.open(t, b, "middle", percent(20)),
		}
		b.Draw(percent(41))
		ctx, cancel := context.WithCancel(t.Context())
		var stopped []<-chan error
		for _, a := range accounts {
			stopped = append(stopped, await(ctx, a))
		}
		pass(2 * time.Second)
		if _, ends := o.taken(); !slices.Equal(ends, []string{"large", "middle", "small"}) {
			t.Errorf("%v were asked to end, want each once, the largest first", ends)
		}
		cancel()
		for _, done := range stopped {
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want the context's error", err)
			}
		}
		b.Draw(-percent(41))
		end(accounts...)
	})
}

// Close ends the overseer even if memory is short, and waits for its orders. It can be
// called again.
func TestCloseLeavesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Limits{Bytes: limitBytes})
		var obeyed int
		a := b.Open(0, func(memory.Order) {
			pass(time.Second)
			obeyed++
		})
		a.Draw(percent(90))
		synctest.Wait()
		b.Close() // the test fails if a goroutine is left
		if obeyed != 1 {
			t.Errorf("obeyed %d times when closed, want once", obeyed)
		}
		b.Close()
		end(a)
	})
}

// What is drawn after Close, such as for the admin port, starts no overseer.
func TestDrawAfterClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Limits{Bytes: limitBytes})
		var o orders
		a := b.Open(0, o.of("a"))
		a.Draw(percent(10))
		b.Close()
		b.Draw(percent(80))
		pass(time.Second)
		if squeezes, ends := o.taken(); squeezes != nil || ends != nil {
			t.Errorf("%v were squeezed, %v asked to end", squeezes, ends)
		}
		b.Draw(-percent(80))
		a.Draw(-percent(10))
		end(a)
	})
}

// An account that resumed without room, and neither waits again nor ends, does not block
// the others for good.
func TestResumeWithoutRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Limits{Bytes: limitBytes})
		defer b.Close()
		var o orders
		small, large := o.open(t, b, "small", percent(1)), o.open(t, b, "large", percent(2))
		b.Draw(percent(97)) // nobody gives it back
		first := await(t.Context(), small)
		synctest.Wait()
		second := await(t.Context(), large)
		for _, done := range []<-chan error{first, second} {
			pass(time.Second)
			select {
			case err := <-done:
				if err != nil {
					t.Error(err)
				}
			default:
				t.Error("an account waits for good behind one that does not end")
			}
		}
		b.Draw(-percent(97))
		end(small, large)
	})
}

// upload is an account whose stream draws, waits and gives back at random.
type upload struct {
	account *memory.Account
	mu      sync.Mutex
	open    int // drawn bytes that can be squeezed
}

func (u *upload) obey(o memory.Order) {
	if o != memory.Squeeze || !u.mu.TryLock() {
		return
	}
	defer u.mu.Unlock()
	u.account.Draw(-u.open)
	u.open = 0
}

// However much the uploads want together, and in whatever order, all of them end if they
// give back what is squeezed. Then nothing is drawn.
func TestAllFinish(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var (
			uploads      = rapid.IntRange(1, 40).Draw(rt, "uploads")
			services     = rapid.IntRange(1, 3).Draw(rt, "services")
			scopes       = rapid.IntRange(1, 20).Draw(rt, "scopes")
			most         = rapid.IntRange(1, 20).Draw(rt, "percent of the budget a scope")
			stuckShare   = rapid.IntRange(0, 2).Draw(rt, "tenths of the uploads that can't be squeezed")
			serviceBytes = rapid.SampledFrom([]int64{0, limitBytes / 20, limitBytes / 2}).Draw(rt, "bytes a service")
			seed         = rapid.Uint64().Draw(rt, "seed")
		)
		synctest.Test(t, func(t *testing.T) {
			b := memory.New(memory.Limits{Bytes: limitBytes, ServiceBytes: serviceBytes})
			ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour) // on the fake clock
			defer cancel()
			var running sync.WaitGroup
			for i := range uploads {
				random := rand.New(rand.NewPCG(seed, uint64(i))) // #nosec G404 -- must be predictable
				u := &upload{}
				u.account = b.Open(1<<10, u.obey)
				running.Go(func() {
					defer u.account.Close()
					for begin(u.account, memory.Tenant{}, string(rune('a'+i%services))) != nil && ctx.Err() == nil {
						pass(time.Second)
					}
					u.account.Stuck(random.IntN(10) < stuckShare)
					for range scopes {
						if err := u.account.Wait(ctx); err != nil {
							t.Error(err)
							break
						}
						pass(time.Duration(random.IntN(int(time.Second))))
						frame := 1 + random.IntN(percent(most)/4)
						b.Draw(frame)
						u.account.Attribute(frame)
						if err := u.account.Wait(ctx); err != nil {
							t.Error(err)
						}
						u.mu.Lock()
						bytes := 1 + random.IntN(percent(most))
						u.account.Draw(bytes)
						u.open += bytes
						u.mu.Unlock()
						u.account.Attribute(-frame)
						b.Draw(-frame)
					}
					u.mu.Lock()
					defer u.mu.Unlock()
					u.account.Draw(-u.open)
					u.open = 0
				})
			}
			running.Wait()
			b.Close()
			if b.DrawnBytes() != 0 || b.Waiting() != 0 || b.Admitted() != 0 {
				t.Errorf("%d bytes drawn, %d accounts waiting, %d admitted, want none", b.DrawnBytes(), b.Waiting(), b.Admitted())
			}
		})
	})
}
