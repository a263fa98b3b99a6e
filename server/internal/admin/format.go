package admin

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxTextRunes   = 64
	maxReasonRunes = 240
	// maxRuneBytes limits the average length of a rune with its combining marks.
	maxRuneBytes = 16
)

// visible returns the start of a text, at most maxRunes long. Invisible characters and
// those that change others (controls, line ends, directions, joiners) become Go escapes.
// At most two combining marks are kept in a row.
func visible(s string, maxRunes int) string {
	var b strings.Builder
	shown, marks := 0, 0
	s, more := s[:min(len(s), maxRunes*maxRuneBytes)], len(s) > maxRunes*maxRuneBytes
	for i, r := range s {
		switch {
		case shown == maxRunes:
			b.WriteRune('…')
			return b.String()
		case unicode.Is(unicode.M, r):
			if marks++; marks > 2 {
				continue
			}
			b.WriteRune(r)
			continue
		case r == utf8.RuneError:
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				b.WriteString(`\x` + strconv.FormatUint(uint64(s[i])|0x100, 16)[1:])
				break
			}
			b.WriteRune(r)
		case r != ' ' && !unicode.IsPrint(r):
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(r)
		}
		shown, marks = shown+1, 0
	}
	if more {
		b.WriteRune('…')
	}
	return b.String()
}

func clip(s string) string { return visible(s, maxTextRunes) }

func clipReason(s string) string { return visible(s, maxReasonRunes) }

const clockLayout = "15:04:05"

// count separates thousands by narrow no-break spaces.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return sign + digits
}

// bytesText shows a number of bytes with three or four digits.
func bytesText(n int64) string {
	const step = 1024
	units := []string{"KiB", "MiB", "GiB", "TiB"}
	if n < step {
		return strconv.FormatInt(n, 10) + "\u00a0B"
	}
	value, unit := float64(n)/step, 0
	for value >= step-0.5 && unit < len(units)-1 {
		value /= step
		unit++
	}
	digits := 1
	if value >= 99.95 {
		digits = 0
	}
	return strconv.FormatFloat(value, 'f', digits, 64) + "\u00a0" + units[unit]
}

// durationText shows a duration in its two largest units.
func durationText(d time.Duration) string {
	switch {
	case d < 0:
		return "0\u00a0s"
	case d < time.Millisecond:
		return strconv.FormatInt(d.Microseconds(), 10) + "\u00a0µs"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + "\u00a0ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "\u00a0s"
	}
	pair := func(large, small time.Duration, largeUnit, smallUnit string) string {
		return strconv.FormatInt(int64(d/large), 10) + "\u00a0" + largeUnit + " " +
			strconv.FormatInt(int64(d%large/small), 10) + "\u00a0" + smallUnit
	}
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return strconv.FormatInt(int64(d/time.Second), 10) + "\u00a0s"
	case d < time.Hour:
		return pair(time.Minute, time.Second, "min", "s")
	case d < day:
		return pair(time.Hour, time.Minute, "h", "min")
	}
	return pair(day, time.Hour, "d", "h")
}

// percent returns a number from 0 to 100.
func percent(part, whole int64) int64 {
	if whole <= 0 {
		return 0
	}
	return min(100, max(0, part)*100/whole)
}
