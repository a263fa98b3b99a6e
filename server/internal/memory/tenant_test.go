package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/server/internal/memory"
)

const tenantBytes = 10 << 20

// admit opens an account of a service in a tenant. It ignores orders.
func admit(t *testing.T, b *memory.Budget, tenant memory.Tenant, service string, fixedBytes int) (*memory.Account, error) {
	t.Helper()
	a := b.Open(fixedBytes, func(memory.Order) {})
	err := begin(a, tenant, service)
	if err != nil {
		a.Close()
	}
	return a, err
}

// A tenant at its limit refuses all its services, with an error that names it. Others are
// not affected.
func TestTenantLimits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		tenant memory.Tenant
		want   memory.OverloadError
	}{
		"uploads": {memory.Tenant{Name: "shop", Uploads: 2}, memory.OverloadError{Name: "shop", Tenant: true, Uploads: 2}},
		"bytes":   {memory.Tenant{Name: "shop", Bytes: 2500}, memory.OverloadError{Name: "shop", Tenant: true, Bytes: 2500}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := memory.New(memory.Limits{Bytes: tenantBytes})
			defer b.Close()
			var admitted []*memory.Account
			for _, service := range []string{"cart", "till"} {
				a, err := admit(t, b, test.tenant, service, 1000)
				if err != nil {
					t.Fatal(err)
				}
				admitted = append(admitted, a)
			}
			_, err := admit(t, b, test.tenant, "stock", 1000)
			if overload, ok := errors.AsType[*memory.OverloadError](err); !ok || *overload != test.want {
				t.Errorf("%v, want %v", err, &test.want)
			}
			for _, tenant := range []memory.Tenant{{Name: "other", Uploads: 1}, {}} {
				a, err := admit(t, b, tenant, "cart", 1000)
				if err != nil {
					t.Errorf("tenant %q: %v", tenant.Name, err)
				}
				a.Close()
			}
			admitted[0].Close()
			again, err := admit(t, b, test.tenant, "stock", 1000)
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

// Services of the same name in two tenants have a limit each.
func TestTenantServicesAreItsOwn(t *testing.T) {
	t.Parallel()
	b := memory.New(memory.Limits{Bytes: tenantBytes, ServiceUploads: 1})
	defer b.Close()
	for _, tenant := range []string{"", "shop", "bank"} {
		first, err := admit(t, b, memory.Tenant{Name: tenant}, "cart", 0)
		if err != nil {
			t.Fatalf("tenant %q: %v", tenant, err)
		}
		defer first.Close()
		if second, err := admit(t, b, memory.Tenant{Name: tenant}, "cart", 0); err == nil {
			second.Close()
			t.Errorf("tenant %q: the service has two uploads, want one", tenant)
		}
	}
}

// The accounts of a tenant at its limit wait, and those of another tenant do not.
func TestTenantWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Limits{Bytes: tenantBytes})
		defer b.Close()
		shop := memory.Tenant{Name: "shop", Bytes: 1 << 20}
		holding, err := admit(t, b, shop, "cart", 0)
		if err != nil {
			t.Fatal(err)
		}
		waiting, err := admit(t, b, shop, "till", 0)
		if err != nil {
			t.Fatal(err)
		}
		other, err := admit(t, b, memory.Tenant{Name: "bank", Bytes: 1 << 20}, "till", 0)
		if err != nil {
			t.Fatal(err)
		}
		holding.Draw(1 << 20)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := waiting.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait returned %v for a tenant at its limit, want the context's error", err)
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
