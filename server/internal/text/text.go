// Package text shortens and formats what is shown to people: in log lines, in spans and
// on the status page.
package text

import (
	"strconv"
	"strings"
)

// clipBytes is how much of a text that a client or an intake can choose is shown.
const clipBytes = 256

// Clip returns the beginning of s, at most 256 bytes of it and valid UTF-8, which keeps
// no larger string alive.
func Clip(s string) string {
	if len(s) <= clipBytes {
		return strings.Clone(s)
	}
	return strings.ToValidUTF8(s[:clipBytes], "") + "…"
}

// Bytes returns a number of bytes in the largest unit that divides it, such as 32MiB, as
// the command's settings take it.
func Bytes(n int64) string {
	units := []string{"", "KiB", "MiB", "GiB"}
	i := 0
	for ; n != 0 && n%1024 == 0 && i < len(units)-1; i++ {
		n /= 1024
	}
	return strconv.FormatInt(n, 10) + units[i]
}
