package memory_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/server/internal/memory"
)

const limitBytes = 100 << 20

// percent returns n percent of limitBytes.
func percent(n int) int { return limitBytes / 100 * n }

// begin enters an account and admits it as one of service.
func begin(a *memory.Account, tenant memory.Tenant, service string) error {
	if err := a.Enter(memory.Source{Tenant: tenant}); err != nil {
		return err
	}
	return a.Admit(service, 0)
}

// open opens an account of service that holds heldBytes and ignores orders.
func open(t *testing.T, b *memory.Budget, service string, heldBytes int) *memory.Account {
	t.Helper()
	a := b.Open(0, func(memory.Order) {})
	if err := begin(a, memory.Tenant{}, service); err != nil {
		t.Fatal(err)
	}
	a.Draw(heldBytes)
	return a
}

// end gives back what the accounts have drawn, and closes them.
func end(accounts ...*memory.Account) {
	for _, a := range accounts {
		a.Draw(-int(a.HeldBytes()))
		a.Close()
	}
}

// await calls Wait in a goroutine and returns a channel with its result.
func await(ctx context.Context, a *memory.Account) <-chan error {
	done := make(chan error, 1)
	go func() { done <- a.Wait(ctx) }()
	return done
}

func isDone(t *testing.T, done <-chan error) bool {
	t.Helper()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("wait: %v", err)
		}
		return true
	default:
		return false
	}
}

// Drawn bytes are counted once each at the account, its service and the budget, and none
// are left at the end.
func TestAccounting(t *testing.T) {
	t.Parallel()
	b := memory.New(memory.Limits{Bytes: limitBytes})
	defer b.Close()
	a := b.Open(1000, func(memory.Order) {})
	a.Draw(500)
	if a.HeldBytes() != 500 || b.DrawnBytes() != 1500 || b.Admitted() != 0 {
		t.Errorf("%d held, %d drawn, %d admitted", a.HeldBytes(), b.DrawnBytes(), b.Admitted())
	}
	if err := begin(a, memory.Tenant{}, "s"); err != nil {
		t.Fatal(err)
	}
	a.Draw(200)
	b.Draw(300)
	a.Attribute(300) // the same bytes
	if a.HeldBytes() != 700 || b.DrawnBytes() != 2000 || b.PeakBytes() != 2000 || b.Admitted() != 1 {
		t.Errorf("%d held, %d drawn, %d at most, %d admitted", a.HeldBytes(), b.DrawnBytes(), b.PeakBytes(), b.Admitted())
	}
	a.Attribute(-300)
	b.Draw(-300)
	end(a)
	if b.DrawnBytes() != 0 || b.PeakBytes() != 2000 || b.Admitted() != 0 || b.LimitBytes() != limitBytes {
		t.Errorf("%d drawn, %d at most, %d admitted", b.DrawnBytes(), b.PeakBytes(), b.Admitted())
	}
}

// Each limit refuses the next account with its own error, and admits it after another
// account is closed.
func TestAdmit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		limits memory.Limits
		// there lists the services of the accounts already open, each holding held bytes.
		there   []string
		held    int
		service string
		want    memory.OverloadError
		text    string
	}{
		"uploads": {
			limits: memory.Limits{Uploads: 2}, there: []string{"a", "b"}, service: "c",
			want: memory.OverloadError{Uploads: 2}, text: "the server has reached its upload limit of 2",
		},
		"uploads of a service": {
			limits: memory.Limits{ServiceUploads: 1}, there: []string{"b", "a"}, service: "a",
			want: memory.OverloadError{Name: "a", Uploads: 1}, text: `service "a" has reached its upload limit of 1`,
		},
		"bytes of a service": {
			limits: memory.Limits{ServiceBytes: 1000}, there: []string{"b", "a"}, held: 995, service: "a",
			want: memory.OverloadError{Name: "a", Bytes: 1000}, text: `service "a" has reached its memory limit of 1000 bytes`,
		},
		"bytes": {
			there: []string{"a", "b"}, held: percent(47), service: "c",
			want: memory.OverloadError{Bytes: limitBytes}, text: "the server has reached its memory limit of 104857600 bytes",
		},
		"a service's share": {
			there: []string{"a"}, held: percent(90), service: "a",
			want: memory.OverloadError{Name: "a", Bytes: 8 * int64(limitBytes-percent(90)-10)},
			text: `service "a" has reached its memory limit of 83886000 bytes`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.limits.Bytes = limitBytes
			b := memory.New(test.limits)
			defer b.Close()
			var there []*memory.Account
			for _, service := range test.there {
				there = append(there, open(t, b, service, test.held))
			}
			late := b.Open(10, func(memory.Order) {})
			err := begin(late, memory.Tenant{}, test.service)
			overload, ok := errors.AsType[*memory.OverloadError](err)
			if !ok || *overload != test.want || !strings.Contains(err.Error(), test.text) {
				t.Errorf("%v (%#v), want %#v", err, overload, test.want)
			}
			if b.Admitted() != len(there) {
				t.Errorf("%d admitted, want %d", b.Admitted(), len(there))
			}
			end(late)
			end(there[len(there)-1])
			again := open(t, b, test.service, 10)
			end(append(there[:len(there)-1], again)...)
			if b.DrawnBytes() != 0 || b.Admitted() != 0 {
				t.Errorf("%d drawn, %d admitted", b.DrawnBytes(), b.Admitted())
			}
		})
	}
}

// One service alone gets most of the budget, but another one can still begin.
func TestShareLeavesRoom(t *testing.T) {
	t.Parallel()
	b := memory.New(memory.Limits{Bytes: limitBytes})
	defer b.Close()
	var noisy []*memory.Account
	for {
		a := b.Open(percent(1), func(memory.Order) {})
		err := begin(a, memory.Tenant{}, "noisy")
		if err != nil {
			if overload, ok := errors.AsType[*memory.OverloadError](err); !ok || overload.Name != "noisy" {
				t.Errorf("%v, want one about the service", err)
			}
			a.Close()
			break
		}
		noisy = append(noisy, a)
	}
	if n := len(noisy); n < 85 || n > 89 {
		t.Errorf("one service got %d percent, want about eight ninths", n)
	}
	quiet := open(t, b, "quiet", percent(1))
	end(append(noisy, quiet)...)
}

// Below the threshold no account waits, but Wait returns the error of a context that has
// ended.
func TestWaitDoesNotStop(t *testing.T) {
	t.Parallel()
	b := memory.New(memory.Limits{Bytes: limitBytes})
	defer b.Close()
	a := open(t, b, "a", percent(49))
	defer end(a)
	if err := a.Wait(t.Context()); err != nil || b.Waiting() != 0 {
		t.Errorf("%v, %d wait", err, b.Waiting())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's error", err)
	}
}

// The accounts that hold at least what is free wait, and the others do not. Attributed
// bytes count.
func TestLargestStopFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Limits{Bytes: limitBytes})
		defer b.Close()
		large := open(t, b, "a", percent(40))
		carrying := open(t, b, "b", percent(5))
		b.Draw(percent(20))
		carrying.Attribute(percent(20))
		small := open(t, b, "c", percent(10))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stopped := []<-chan error{await(ctx, large), await(ctx, carrying)}
		if err := small.Wait(ctx); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if b.Waiting() != 2 {
			t.Errorf("%d wait, want 2", b.Waiting())
		}
		cancel()
		for _, done := range stopped {
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want the context's error", err)
			}
		}
		if b.Waiting() != 0 {
			t.Errorf("%d wait, want none", b.Waiting())
		}
		b.Draw(-percent(20))
		carrying.Attribute(-percent(20))
		end(large, carrying, small)
	})
}

// As room is made, the smallest accounts resume first.
func TestSmallestResumeFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Limits{Bytes: limitBytes})
		defer b.Close()
		var accounts []*memory.Account
		for _, held := range []int{30, 10, 20} {
			accounts = append(accounts, open(t, b, "a", percent(held)))
		}
		others := percent(34)
		b.Draw(others) // 6 are free
		var done []<-chan error
		for _, a := range accounts {
			done = append(done, await(t.Context(), a))
		}
		for _, step := range []struct {
			freed int
			want  []bool
		}{
			{0, []bool{false, false, false}},
			{3, []bool{false, false, false}}, // 9
			{2, []bool{false, true, false}},  // 11
			{9, []bool{false, true, false}},  // 20
			{1, []bool{false, true, true}},   // 21
			{10, []bool{true, true, true}},   // 31
		} {
			b.Draw(-percent(step.freed))
			others -= percent(step.freed)
			pass(time.Second)
			synctest.Wait()
			for i, want := range step.want {
				if got := len(done[i]) > 0; got != want {
					t.Errorf("%d percent freed: account %d resumes: %v, want %v", step.freed, i, got, want)
				}
			}
		}
		b.Draw(-others)
		end(accounts...)
	})
}

// If nothing can be squeezed, waiting accounts resume one after the other, although there
// is no room.
func TestOneResumes(t *testing.T) {
	t.Parallel()
	for name, stuck := range map[string]bool{"holds nothing": false, "holds what can't be moved": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := memory.New(memory.Limits{Bytes: limitBytes})
				defer b.Close()
				var accounts []*memory.Account
				var done []<-chan error
				for range 3 {
					a := open(t, b, "a", 0)
					accounts = append(accounts, a)
					if stuck {
						a.Stuck(true)
						a.Draw(percent(30))
						continue
					}
					b.Draw(percent(30))
					a.Attribute(percent(30))
				}
				for _, a := range accounts {
					done = append(done, await(t.Context(), a))
				}
				var went []int
				for range 3 {
					pass(60 * time.Millisecond)
					synctest.Wait()
					count := 0
					for _, d := range done {
						count += len(d)
					}
					went = append(went, count)
				}
				if went[0] == 0 || went[0] == 3 || went[2] != 3 {
					t.Errorf("%v had resumed after each tick, want one after the other", went)
				}
				for _, a := range accounts {
					if !stuck {
						b.Draw(-percent(30))
						a.Attribute(-percent(30))
					}
				}
				end(accounts...)
			})
		})
	}
}

// No account waits for next to nothing to be squeezed.
func TestCrumbs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Limits{Bytes: limitBytes})
		defer b.Close()
		others, a := percent(97), open(t, b, "a", percent(3))
		b.Draw(others)
		if err := a.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		b.Draw(-others)
		end(a)
	})
}

// If nothing can be squeezed, the largest waiting account resumes first, and the next one
// as soon as that is closed.
func TestLargestResumesWithoutRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Limits{Bytes: limitBytes})
		defer b.Close()
		var accounts []*memory.Account
		var done []<-chan error
		for _, held := range []int{20, 30, 25} {
			a := open(t, b, "a", 0)
			a.Stuck(true)
			a.Draw(percent(held))
			accounts = append(accounts, a)
		}
		b.Draw(percent(24))
		pass(10 * time.Millisecond) // to between two looks
		for _, a := range accounts {
			done = append(done, await(t.Context(), a))
		}
		pass(50 * time.Millisecond)
		synctest.Wait()
		if !isDone(t, done[1]) || len(done[0])+len(done[2]) != 0 {
			t.Error("the largest did not resume alone")
		}
		b.Draw(percent(30)) // so that the next one has no room either
		end(accounts[1])
		synctest.Wait()
		if !isDone(t, done[2]) || len(done[0]) != 0 {
			t.Error("the next largest did not resume alone, at once")
		}
		end(accounts[2])
		synctest.Wait()
		if !isDone(t, done[0]) {
			t.Error("the smallest did not resume")
		}
		end(accounts[0])
		b.Draw(-percent(54))
	})
}

// The accounts of a service at its limit wait, and those of others do not. They are
// squeezed although memory is not short, and then resume.
func TestServiceBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Limits{Bytes: limitBytes, ServiceBytes: int64(percent(10))})
		defer b.Close()
		var noisy []*memory.Account
		var mu sync.Mutex
		var squeezed []int
		for i := range 3 {
			var a *memory.Account
			a = b.Open(0, func(o memory.Order) {
				mu.Lock()
				defer mu.Unlock()
				if o == memory.Squeeze {
					squeezed = append(squeezed, i)
					a.Draw(-int(a.HeldBytes()))
				}
			})
			if err := begin(a, memory.Tenant{}, "noisy"); err != nil {
				t.Fatal(err)
			}
			noisy = append(noisy, a)
		}
		quiet := open(t, b, "quiet", percent(9))
		for i, a := range noisy {
			a.Draw(percent(3 + i)) // 12 in all
		}
		if err := quiet.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		done := await(t.Context(), noisy[0])
		synctest.Wait()
		if !isDone(t, done) {
			pass(time.Second)
			synctest.Wait()
			if !isDone(t, done) {
				t.Error("it still waits")
			}
		}
		if !slices.Equal(squeezed, []int{2}) {
			t.Errorf("%v were squeezed, want the largest of the service", squeezed)
		}
		end(append(noisy, quiet)...)
	})
}

// If nothing of a service at its limit can be squeezed, its accounts resume one after the
// other, whatever others hold.
func TestServiceHasNothingToGive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Limits{Bytes: limitBytes, ServiceBytes: int64(percent(10))})
		defer b.Close()
		other := open(t, b, "other", percent(9))
		a := b.Open(percent(6), func(memory.Order) {})
		if err := begin(a, memory.Tenant{}, "a"); err != nil {
			t.Fatal(err)
		}
		b.Draw(percent(5))
		a.Attribute(percent(5))
		done := await(t.Context(), a)
		pass(time.Second)
		synctest.Wait()
		if !isDone(t, done) {
			t.Error("it still waits")
			b.Draw(-percent(1))
			a.Attribute(-percent(1))
		}
		end(a, other)
	})
}
