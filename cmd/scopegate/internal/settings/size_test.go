package settings

import (
	"errors"
	"testing"
)

func TestSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Size{
		"0": 0, "-1": -1, "65536": 65536, "2MiB": 2 << 20, "2 mib": 2 << 20, "64KiB": 64 << 10, "1GiB": 1 << 30,
		"5kB": 5000, "3MB": 3e6, "1GB": 1e9, "12B": 12, " 7 ": 7,
	} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
		var again Size
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%d: its text %q is read as %d, %v, want %v", got, got, again, err, got)
		}
	}
	for text, want := range map[string]error{
		"": errSize, "MiB": errSize, "2.5MiB": errSize, "2TiB": errSize, "x": errSize, "1e6": errSize,
		"9223372036854775807KiB": errTooLarge, "99999999999999999999": errTooLarge, "99999999999GiB": errTooLarge,
	} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); !errors.Is(err, want) {
			t.Errorf("%q: got %d, %v; want %v", text, got, err, want)
		}
	}
}

func TestFormatBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.00 kB", 12_340: "12.3 kB", 999_400: "999 kB", 999_600: "1.00 MB",
		18_650_000: "18.6 MB", 5_000_000_000: "5.00 GB",
	} {
		if got := FormatBytes(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}
