package settings

import (
	"fmt"
	"strconv"
)

// FormatBytes is for readers: powers of 1000, three digits.
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

// FormatCount is a number with its noun, which takes "s", or "es" after "ch".
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
