package tenant_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/scopegate/scopegate/server/internal/tenant"
)

// tableOf returns a table of tenants with those names.
func tableOf(t *testing.T, names ...string) *tenant.Table {
	t.Helper()
	content := "tenants:\n"
	for _, name := range names {
		content += "  - {name: " + name + ", certificates: [" + name + "]}\n"
	}
	table, _, err := tenant.Read(write(t, content))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestOwners(t *testing.T) {
	t.Parallel()
	const capacity = 6
	drawn := 0
	owners := tenant.NewOwners(capacity, time.Hour, func(bytes int) { drawn += bytes })
	owners.SetTenants(tableOf(t, "a", "b"))
	now := time.Unix(0, 0)
	claim := func(who string, upload byte, want bool) {
		t.Helper()
		if got := owners.Claim(who, uuid.UUID{upload}, now); got != want {
			t.Fatalf("%s claims %d: %v, want %v", who, upload, got, want)
		}
	}
	claim("a", 1, true)
	claim("a", 1, true)
	claim("b", 1, false)
	claim("nobody", 2, false)
	for upload := range byte(100) { // b has half of the room, and can't have a's forgotten
		claim("b", 100+upload, true)
	}
	claim("b", 1, false)
	if drawn != 4*tenant.OwnedBytes {
		t.Errorf("%d bytes are drawn, want those of 1 and 3 uploads", drawn)
	}
	claim("a", 100, true) // forgotten, as b has begun 99 others since
	claim("a", 198, false)

	now = now.Add(59 * time.Minute)
	claim("a", 1, true)
	now = now.Add(time.Minute)
	claim("b", 1, false) // a used it a minute ago
	claim("b", 100, true)
	claim("b", 198, true)

	owners.SetTenants(tableOf(t, "b", "c"))
	claim("a", 1, false)
	claim("c", 1, true) // who began it is no tenant any more
	claim("c", 100, false)
	owners.SetTenants(tableOf(t, "c", "d", "e", "f", "g", "h"))
	claim("c", 1, true)
	claim("c", 2, true)
	claim("d", 1, true) // each has room for one
	if drawn != 2*tenant.OwnedBytes {
		t.Errorf("%d bytes are drawn, want those of 2 uploads", drawn)
	}
}
