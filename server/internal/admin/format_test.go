package admin_test

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/scopegate/scopegate/server/internal/admin"
)

func TestVisible(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                      "",
		"shop":                  "shop",
		"Käse 芝麻 שלום 🧀":        "Käse 芝麻 …",
		"0123456":               "0123456",
		"01234567":              "01234567",
		"012345678":             "01234567…",
		"a\nb":                  `a\nb`,
		"a\u202eb":              `a\u202eb`,
		"\u200b":                `\u200b`,
		"\u00a0":                `\u00a0`,
		"\ufeff\U000e0001":      `\ufeff\U000e0001`,
		"\xff\x00":              `\xff\x00`,
		"\ufffd":                "\ufffd",
		"e\u0301":               "e\u0301",
		"e\u0301\u0301\u0301xy": "e\u0301\u0301xy",
		`a\b`:                   `a\b`,
	} {
		if got := admin.Visible(in, 8); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("shop\n\u202e<b>\xff", 8)
	f.Add(strings.Repeat("\u0300", 100), 3)
	f.Fuzz(func(t *testing.T, s string, most int) {
		most = most&0xff + 1
		got := admin.Visible(s, most)
		if !utf8.ValidString(got) {
			t.Errorf("%q", got)
		}
		// An escape is ten runes at most, and each rune may bear two marks.
		if n := utf8.RuneCountInString(got); n > most*12+3 {
			t.Errorf("%d runes, want at most %v", n, most*12+3)
		}
		for _, r := range got {
			if r != ' ' && !unicode.IsPrint(r) {
				t.Errorf("%q holds %q", got, r)
			}
		}
	})
}

func TestBytesText(t *testing.T) {
	t.Parallel()
	for in, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 10_000: "9.8 KiB", 123_456: "121 KiB", 1<<20 - 1: "1.0 MiB", 5 << 20: "5.0 MiB",
		100 << 20: "100 MiB", 3 << 30: "3.0 GiB", 1 << 50: "1024 TiB", -1: "-1 B",
	} {
		if got := strings.ReplaceAll(admin.BytesText(in), "\u00a0", " "); got != want {
			t.Errorf("%d: got %q, want %q", in, got, want)
		}
	}
}

func TestDurationText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		in   time.Duration
		want string
	}{
		{-time.Second, "0 s"},
		{0, "0 µs"},
		{999 * time.Microsecond, "999 µs"},
		{20 * time.Millisecond, "20 ms"},
		{1500 * time.Millisecond, "1.5 s"},
		{59 * time.Second, "59 s"},
		{61 * time.Second, "1 min 1 s"},
		{2*time.Hour + 5*time.Minute, "2 h 5 min"},
		{49 * time.Hour, "2 d 1 h"},
	} {
		if got := strings.ReplaceAll(admin.DurationText(test.in), "\u00a0", " "); got != test.want {
			t.Errorf("%v: got %q, want %q", test.in, got, test.want)
		}
	}
}

func TestCountText(t *testing.T) {
	t.Parallel()
	for in, want := range map[int64]string{0: "0", 999: "999", 1000: "1 000", 1234567: "1 234 567", -12345: "-12 345"} {
		if got := strings.ReplaceAll(admin.CountText(in), "\u202f", " "); got != want {
			t.Errorf("%d: got %q, want %q", in, got, want)
		}
	}
}

func TestPlotPaths(t *testing.T) {
	t.Parallel()
	if got := admin.LinePath([]float64{1}, 1); got != "" {
		t.Errorf("one value: %q, want none", got)
	}
	if got := admin.AreaPath([]float64{0, 0}, 0); got != "" {
		t.Errorf("all zero: %q, want none", got)
	}
	values := make([]float64, 300)
	values[299] = 10
	line := admin.LinePath(values, 10)
	if !strings.HasPrefix(line, "M0.0 80.0L1.0 80.0") || !strings.HasSuffix(line, "L300.0 2.0") {
		t.Errorf("from %q to %q, want %q at its beginning and %q at its end", line[:20], line[len(line)-20:], "M0.0 80.0L1.0 80.0", "L300.0 2.0")
	}
	if got := admin.AreaPath([]float64{5, 10}, 10); got != "M294.9 41.0L300.0 2.0V80H294.9Z" {
		t.Errorf("area: %q, want %q", got, "M294.9 41.0L300.0 2.0V80H294.9Z")
	}
}
