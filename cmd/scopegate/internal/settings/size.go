package settings

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, as a flag takes it: digits, with or without one of
// the suffixes KiB, MiB, GiB (powers of 1024) or kB, MB, GB (powers of 1000).
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

// String returns the form with the largest power of 1024 that divides s.
func (s Size) String() string {
	for i := 2; i >= 0; i-- {
		if u := sizeUnits[i]; s != 0 && int(s)%u.bytes == 0 {
			return strconv.Itoa(int(s)/u.bytes) + u.suffix
		}
	}
	return strconv.Itoa(int(s))
}

var errSize = errors.New("not a number of bytes such as 65536, 64KiB or 2MiB")

// UnmarshalText reads a size. The case of the suffix does not count, and there
// may be space before it.
func (s *Size) UnmarshalText(text []byte) error {
	number, unit := strings.TrimSpace(string(text)), 1
	for _, u := range sizeUnits {
		if n := len(number) - len(u.suffix); n > 0 && strings.EqualFold(number[n:], u.suffix) {
			number, unit = strings.TrimSpace(number[:n]), u.bytes
			break
		}
	}
	n, err := strconv.Atoi(number)
	if err != nil || n > math.MaxInt/unit || n < math.MinInt/unit {
		return errSize
	}
	*s = Size(n * unit)
	return nil
}
