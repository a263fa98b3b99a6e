package memory_test

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/server/internal/memory"
)

// When accounts are refused, one from a connection without an account replaces the one
// whose client has kept the server waiting longest, if its tenant has room.
func TestNewcomer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Limits{Bytes: limitBytes})
		defer b.Close()
		var o orders
		enter := func(name, connection string) (*memory.Account, error) {
			a := b.Open(1000, o.of(name))
			err := a.Enter(memory.Source{Connection: connection})
			if err != nil {
				a.Close()
			}
			return a, err
		}
		first, err := enter("first", "a")
		if err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		second, err := enter("second", "b")
		if err != nil {
			t.Fatal(err)
		}
		b.Draw(percent(93))
		if _, err := enter("more", "a"); err == nil {
			t.Error("a connection with an account got another one")
		}
		full := b.Open(1000, o.of("full"))
		if full.Enter(memory.Source{Connection: "e", Tenant: memory.Tenant{Name: "shop", Bytes: 1}}) == nil {
			t.Error("a tenant exceeded its limit")
		}
		full.Close()
		newcomer, err := enter("newcomer", "c")
		if err != nil {
			t.Error(err)
		}
		if _, err := enter("another", "d"); err == nil {
			t.Error("a newcomer replaced an account that had just begun")
		}
		synctest.Wait()
		if _, ends := o.taken(); !slices.Equal(ends, []string{"first"}) {
			t.Errorf("%v were asked to end, want the first", ends)
		}
		b.Draw(-percent(93))
		end(first, second, newcomer)
		if b.DrawnBytes() != 0 || b.Admitted() != 0 {
			t.Errorf("%d drawn, %d admitted", b.DrawnBytes(), b.Admitted())
		}
	})
}

// Even if the budget is exceeded, but not by far, an account from a connection without one
// replaces one that waits for its client, and is admitted.
func TestNewcomerBeyondTheLimit(t *testing.T) {
	t.Parallel()
	for beyond, taken := range map[int]bool{101: true, 109: true, 111: false} {
		t.Run(strconv.Itoa(beyond), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := memory.New(memory.Limits{Bytes: limitBytes})
				defer b.Close()
				var o orders
				slow := b.Open(0, o.of("slow"))
				if err := slow.Enter(memory.Source{Connection: "a"}); err != nil {
					t.Fatal(err)
				}
				pass(time.Second)
				b.Draw(percent(beyond))
				newcomer := b.Open(0, o.of("newcomer"))
				err := newcomer.Enter(memory.Source{Connection: "b"})
				if err == nil {
					err = newcomer.Admit("shop", 0)
				}
				if got := err == nil; got != taken {
					t.Errorf("with %d%% drawn: %v, want it taken: %v", beyond, err, taken)
				}
				b.Draw(-percent(beyond))
				end(slow, newcomer)
			})
		})
	}
}

// An account and its bytes count for its tenant before its service is known.
func TestTenantCountsFromEnter(t *testing.T) {
	t.Parallel()
	for name, tenant := range map[string]memory.Tenant{
		"uploads": {Name: "shop", Uploads: 1},
		"bytes":   {Name: "shop", Bytes: 1500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := memory.New(memory.Limits{Bytes: limitBytes})
			defer b.Close()
			first, second := b.Open(1000, func(memory.Order) {}), b.Open(1000, func(memory.Order) {})
			if err := first.Enter(memory.Source{Tenant: tenant}); err != nil {
				t.Fatal(err)
			}
			err := second.Enter(memory.Source{Tenant: tenant})
			if overload, ok := errors.AsType[*memory.OverloadError](err); !ok || !overload.Tenant {
				t.Errorf("%v, want an error about the tenant", err)
			}
			end(first)
			if err := second.Enter(memory.Source{Tenant: tenant}); err != nil {
				t.Error(err)
			}
			end(second)
		})
	}
}

// The bytes that Admit adds are drawn and count for the service.
func TestAdmitDrawsMore(t *testing.T) {
	t.Parallel()
	b := memory.New(memory.Limits{Bytes: limitBytes, ServiceBytes: 2000})
	defer b.Close()
	a := b.Open(1000, func(memory.Order) {})
	if err := errors.Join(a.Enter(memory.Source{}), a.Admit("shop", 500)); err != nil {
		t.Fatal(err)
	}
	if b.DrawnBytes() != 1500 {
		t.Errorf("%d bytes are drawn, want 1500", b.DrawnBytes())
	}
	late := b.Open(400, func(memory.Order) {})
	if err := late.Enter(memory.Source{}); err != nil {
		t.Fatal(err)
	}
	if err := late.Admit("shop", 200); err == nil {
		t.Error("a service exceeded its limit")
	}
	end(a, late)
	if b.DrawnBytes() != 0 {
		t.Errorf("%d bytes are drawn at the end, want none", b.DrawnBytes())
	}
}

// Accounts that are not yet admitted are asked to end when the budget is exceeded, and
// when others have been refused for long.
func TestEnteredEnd(t *testing.T) {
	t.Parallel()
	for name, drawn := range map[string]int{"exceeded": percent(101), "refusing": percent(95)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := memory.New(memory.Limits{Bytes: limitBytes})
				defer b.Close()
				var o orders
				entered := b.Open(1000, o.of("entered"))
				if err := entered.Enter(memory.Source{}); err != nil {
					t.Fatal(err)
				}
				b.Draw(drawn)
				for range 20 {
					pass(time.Second)
					late := b.Open(0, func(memory.Order) {})
					if late.Enter(memory.Source{}) == nil {
						t.Error("another account was entered")
					}
					late.Close()
				}
				if _, ends := o.taken(); !slices.Contains(ends, "entered") {
					t.Errorf("%v were asked to end, want the entered one", ends)
				}
				b.Draw(-drawn)
				end(entered)
			})
		})
	}
}
