package uploading

import (
	"strings"
	"testing"
	"time"

	"github.com/vbauerster/mpb/v8"
)

func TestProgressLines(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	now := time.Unix(1, 0)
	p := &progressLines{w: &out, unit: unitPackages, total: 40, now: func() time.Time { return now }}
	for i := range 40 {
		p.Advance(i+1, int64(i+1))
		now = now.Add(100 * time.Millisecond)
	}
	p.End(true)
	want := "uploading: 11 scopes, 11 packages of 40 packages (27%)\n" +
		"uploading: 21 scopes, 21 packages of 40 packages (52%)\n" +
		"uploading: 31 scopes, 31 packages of 40 packages (77%)\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestProgressOfOnePackage(t *testing.T) {
	t.Parallel()
	if got, want := unitPackages.format(1, 1), "1 package of 1 package (100%)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProgressBar(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		total     int64
		succeeded bool
		want      string
	}{
		{total: 2000, succeeded: true, want: "2.00 kB of 2.00 kB (100%)"},
		{total: 3000, succeeded: true, want: "3.00 kB of 3.00 kB (100%)"},
		{total: 1500, succeeded: true, want: "2.00 kB of 2.00 kB (100%)"},
		{total: 4000, succeeded: false, want: "2.00 kB of 4.00 kB (50%)"},
		{total: 0, succeeded: true, want: "2.00 kB"},
	} {
		var out strings.Builder
		p := newBar(&out, &Source{total: test.total, unit: unitBytes}, mpb.WithAutoRefresh())
		p.Advance(1, 1000)
		p.Advance(2, 2000)
		p.End(test.succeeded)
		if !strings.Contains(out.String(), test.want) {
			t.Errorf("total %d: no %q in %q", test.total, test.want, out.String())
		}
	}
}
