package memory_test

import (
	"testing"

	"github.com/scopegate/scopegate/server/internal/memory"
)

// Each refusal is counted once, under the limit that was reached, and so is each order.
func TestCounts(t *testing.T) {
	t.Parallel()
	const limitBytes = 1 << 20
	orders := make(chan memory.Order, 100)
	obey := func(o memory.Order) { orders <- o }
	for _, test := range []struct {
		name   string
		limits memory.Limits
		drawn  int
		want   memory.Counts
	}{
		{"uploads", memory.Limits{Bytes: limitBytes, Uploads: 1}, 0, memory.Counts{RefusedUploads: 1}},
		{"service's uploads", memory.Limits{Bytes: limitBytes, ServiceUploads: 1}, 0, memory.Counts{RefusedServiceUploads: 1}},
		{"service's bytes", memory.Limits{Bytes: limitBytes, ServiceBytes: 100}, 0, memory.Counts{RefusedServiceBytes: 1}},
	} {
		b := memory.New(test.limits)
		first, second := b.Open(60, obey), b.Open(60, obey)
		if err := begin(first, memory.Tenant{}, "shop"); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if err := begin(second, memory.Tenant{}, "shop"); err == nil {
			t.Errorf("%s: not refused", test.name)
		}
		if got := b.Counts(); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
		second.Close()
		first.Close()
		b.Close()
	}

	b := memory.New(memory.Limits{Bytes: limitBytes})
	holder := b.Open(0, obey)
	if err := begin(holder, memory.Tenant{}, "shop"); err != nil {
		t.Fatal(err)
	}
	holder.Draw(limitBytes * 95 / 100)
	if order := <-orders; order != memory.Squeeze {
		t.Errorf("order %v, want Squeeze", order)
	}
	late := b.Open(0, obey)
	if err := begin(late, memory.Tenant{}, "other"); err == nil {
		t.Error("not refused")
	}
	got := b.Counts()
	if got.RefusedBytes != 1 || got.Squeezes < 1 || got.Ends != 0 {
		t.Errorf("%+v", got)
	}
	holder.Draw(-limitBytes * 95 / 100)
	late.Close()
	holder.Close()
	b.Close()
}
