package settings

import "strings"

// Shortened returns the text, or its start and an ellipsis if it is longer than maxBytes.
func Shortened(text string, maxBytes int) string {
	if len(text) <= maxBytes {
		return text
	}
	return strings.ToValidUTF8(text[:maxBytes], "") + "…"
}
