// Package text shortens and formats texts for log lines, errors, spans and the status page.
package text

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clipBytes limits texts that a client or an intake can choose.
const clipBytes = 256

// Clip returns the start of s that makes a log line at most 256 bytes longer.
func Clip(s string) string { return ClipTo(s, clipBytes) }

// ClipTo returns the start of s that makes a log line at most that many bytes longer.
// There, unprintable characters are escaped.
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

// Bytes formats a number of bytes in the largest unit that divides it, such as 32MiB. The
// command's settings have this form.
func Bytes(n int64) string {
	units := []string{"", "KiB", "MiB", "GiB"}
	i := 0
	for ; n != 0 && n%1024 == 0 && i < len(units)-1; i++ {
		n /= 1024
	}
	return strconv.FormatInt(n, 10) + units[i]
}

// OrEmpty returns the text, or "" if there is none.
func OrEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
