// Package text shortens and formats what is shown to people: in log lines, in errors, in
// spans and on the status page.
package text

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clipBytes is how much of a text that a client or an intake can choose is shown.
const clipBytes = 256

// Clip returns the beginning of s: what makes a log line at most 256 bytes longer.
func Clip(s string) string { return ClipTo(s, clipBytes) }

// ClipTo returns the beginning of s: what makes a log line at most so many bytes longer.
// What can't be printed takes several times its bytes there.
func ClipTo(s string, bytes int) string {
	const escapedBytes = 6 // such as \u0001 and \ufffd
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			bytes -= 2
		case r == utf8.RuneError || !unicode.IsPrint(r):
			bytes -= escapedBytes * max(1, utf8.RuneLen(r)/2)
		default:
			bytes -= utf8.RuneLen(r)
		}
		if bytes < 0 {
			return strings.ToValidUTF8(s[:i], "") + "…"
		}
	}
	return s
}

// Bytes returns a number of bytes in the largest unit that divides it, such as 32MiB: as
// the command's settings take it.
func Bytes(n int64) string {
	units := []string{"", "KiB", "MiB", "GiB"}
	i := 0
	for ; n != 0 && n%1024 == 0 && i < len(units)-1; i++ {
		n /= 1024
	}
	return strconv.FormatInt(n, 10) + units[i]
}
