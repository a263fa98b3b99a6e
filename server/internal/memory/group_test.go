package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/server/internal/memory"
)

const groupBytes = 10 << 20

// admit opens an account of a caller in a group. It ignores orders.
func admit(t *testing.T, b *memory.Budget, group memory.Group, caller string, fixedBytes int) (*memory.Account, error) {
	t.Helper()
	a := b.Open(fixedBytes, func(memory.Order) {})
	err := begin(a, group, caller)
	if err != nil {
		a.Close()
	}
	return a, err
}

// A group at its limit refuses all its callers, with an error that names it. Others are
// not affected.
func TestGroupLimits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		group memory.Group
		want  memory.OverloadError
	}{
		"uploads": {memory.Group{Name: "shop", Uploads: 2}, memory.OverloadError{Caller: "shop", Group: true, Uploads: 2}},
		"bytes":   {memory.Group{Name: "shop", Bytes: 2500}, memory.OverloadError{Caller: "shop", Group: true, Bytes: 2500}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := memory.New(memory.Limits{Bytes: groupBytes})
			defer b.Close()
			var admitted []*memory.Account
			for _, caller := range []string{"cart", "till"} {
				a, err := admit(t, b, test.group, caller, 1000)
				if err != nil {
					t.Fatal(err)
				}
				admitted = append(admitted, a)
			}
			_, err := admit(t, b, test.group, "stock", 1000)
			if overload, ok := errors.AsType[*memory.OverloadError](err); !ok || *overload != test.want {
				t.Errorf("%v, want %v", err, &test.want)
			}
			for _, group := range []memory.Group{{Name: "other", Uploads: 1}, {}} {
				a, err := admit(t, b, group, "cart", 1000)
				if err != nil {
					t.Errorf("group %q: %v", group.Name, err)
				}
				a.Close()
			}
			admitted[0].Close()
			again, err := admit(t, b, test.group, "stock", 1000)
			if err != nil {
				t.Errorf("after one is closed: %v", err)
			}
			again.Close()
			admitted[1].Close()
			if b.Admitted() != 0 || b.DrawnBytes() != 0 {
				t.Errorf("%d admitted, %d drawn", b.Admitted(), b.DrawnBytes())
			}
		})
	}
}

// Callers of the same name in two groups have a limit each.
func TestGroupCallersAreItsOwn(t *testing.T) {
	t.Parallel()
	b := memory.New(memory.Limits{Bytes: groupBytes, CallerUploads: 1})
	defer b.Close()
	for _, group := range []string{"", "shop", "bank"} {
		first, err := admit(t, b, memory.Group{Name: group}, "cart", 0)
		if err != nil {
			t.Fatalf("group %q: %v", group, err)
		}
		defer first.Close()
		if second, err := admit(t, b, memory.Group{Name: group}, "cart", 0); err == nil {
			second.Close()
			t.Errorf("group %q: the caller has two uploads, want one", group)
		}
	}
}

// The accounts of a group at its limit wait, and those of another group do not.
func TestGroupWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Limits{Bytes: groupBytes})
		defer b.Close()
		shop := memory.Group{Name: "shop", Bytes: 1 << 20}
		holding, err := admit(t, b, shop, "cart", 0)
		if err != nil {
			t.Fatal(err)
		}
		waiting, err := admit(t, b, shop, "till", 0)
		if err != nil {
			t.Fatal(err)
		}
		other, err := admit(t, b, memory.Group{Name: "bank", Bytes: 1 << 20}, "till", 0)
		if err != nil {
			t.Fatal(err)
		}
		holding.Draw(1 << 20)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := waiting.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait returned %v for a group at its limit, want the context's error", err)
		}
		if err := other.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		holding.Draw(-(1 << 20))
		if err := waiting.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		holding.Close()
		waiting.Close()
		other.Close()
	})
}
