package upload

import (
	"testing"
	"time"

	"github.com/scopegate/scopegate/server/internal/memory"
)

func TestMostNotable(t *testing.T) {
	t.Parallel()
	budget := memory.New(memory.Limits{Bytes: 1 << 40})
	defer budget.Close()
	began := time.Now()
	var open []*upload
	for i := range 300 { // the later, the larger
		n := (i * 7) % 300
		u := &upload{Opening: &Opening{account: budget.Open(0, func(memory.Order) {})}}
		u.progress.began = began.Add(time.Duration(n) * time.Second)
		u.account.Draw(n)
		open = append(open, u)
	}
	shown := mostNotable(open, 100)
	if len(shown) != 100 {
		t.Fatalf("%d are shown, want 100", len(shown))
	}
	for i, u := range shown {
		want := i
		if i >= 50 {
			want += 200
		}
		if got := int(u.progress.began.Sub(began) / time.Second); got != want {
			t.Errorf("%d: the one of second %d, want %d", i, got, want)
		}
	}
	if got := mostNotable(open[:7], 100); len(got) != 7 {
		t.Errorf("%d are shown, want all 7", len(got))
	}
	for _, u := range open {
		u.account.Draw(-int(u.account.HeldBytes()))
		u.account.Close()
	}
}
