package ndjson

import (
	"fmt"
	"strconv"
	"strings"
)

// Error is a mistake in a line.
type Error struct {
	// Line counts from 1, blank lines included; 0 in an error of [Decode].
	Line int
	// Path is the position in the scope, such as `scopes[3].symbols[0].type`. It is empty
	// for the scope itself.
	Path string
	// Reason says what is wrong.
	Reason string
}

// Error returns the line, the path and the reason.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	if e.Path != "" {
		fmt.Fprintf(&b, "%s: ", e.Path)
	}
	b.WriteString(e.Reason)
	return b.String()
}

// step is a key where index is negative, and an index otherwise.
type step struct {
	key   string
	index int
}

// maxQuotedBytes bounds the input that an error repeats.
const maxQuotedBytes = 64

func formatPath(steps []step) string {
	var b strings.Builder
	for _, s := range steps {
		switch {
		case s.index >= 0:
			fmt.Fprintf(&b, "[%d]", s.index)
		case b.Len() > 0:
			b.WriteString("." + printable(s.key))
		default:
			b.WriteString(printable(s.key))
		}
	}
	return b.String()
}

// printable quotes a key that could be confused with the rest of the path.
func printable(key string) string {
	plain := func(r rune) bool {
		return r == '_' || r == '-' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z'
	}
	if key == "" || len(key) > maxQuotedBytes || strings.ContainsFunc(key, func(r rune) bool { return !plain(r) }) {
		if len(key) > maxQuotedBytes {
			return strconv.Quote(key[:maxQuotedBytes]) + "…"
		}
		return strconv.Quote(key)
	}
	return key
}
