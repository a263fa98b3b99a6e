package settings

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/scopegate/scopegate/server"
)

// Size is a number of bytes. As a flag it is digits, with or without one of the suffixes
// KiB, MiB, GiB (powers of 1024) or kB, MB, GB (powers of 1000).
type Size int

var sizeUnits = []struct {
	suffix string
	bytes  int
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"kB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"B", 1},
}

// String returns s in the form of [server.FormatSize].
func (s Size) String() string { return server.FormatSize(int64(s)) }

var (
	errSize     = errors.New("not a number of bytes such as 65536 or 64KiB; suffixes are B, kB, MB, GB, KiB, MiB and GiB")
	errTooLarge = errors.New("too large a size")
)

// UnmarshalText reads a size. The suffix may have any case and space before it.
func (s *Size) UnmarshalText(text []byte) error {
	number, unit := strings.TrimSpace(string(text)), 1
	for _, u := range sizeUnits {
		if n := len(number) - len(u.suffix); n > 0 && strings.EqualFold(number[n:], u.suffix) {
			number, unit = strings.TrimSpace(number[:n]), u.bytes
			break
		}
	}
	n, err := strconv.Atoi(number)
	switch {
	case errors.Is(err, strconv.ErrRange) || n > math.MaxInt/unit || n < math.MinInt/unit:
		return errTooLarge
	case err != nil:
		return errSize
	}
	*s = Size(n * unit)
	return nil
}

// FormatBytes returns n for people: in powers of 1000, with three digits.
func FormatBytes(n int64) string {
	const step = 1000
	if n < step {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, units := float64(n), "kMGTPE"
	for value /= step; value >= step-0.5 && len(units) > 1; value /= step {
		units = units[1:]
	}
	precision := 2
	switch {
	case value >= 100:
		precision = 0
	case value >= 10:
		precision = 1
	}
	return strconv.FormatFloat(value, 'f', precision, 64) + " " + units[:1] + "B"
}

// FormatCount returns n with its noun, in the plural unless n is 1.
func FormatCount(n int64, noun string) string {
	switch {
	case n == 1:
	case noun[len(noun)-2:] == "ch":
		noun += "es"
	default:
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
