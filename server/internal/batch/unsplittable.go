package batch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// UnsplittableError tells that a scope is too large for a batch and can't be
// divided: it has no children, or is too large without them.
type UnsplittableError struct {
	// Path leads from the root scope to the one that is too large.
	Path []ScopeName
	// Limits are those that it can't be fitted into.
	Limits Limits
}

// ScopeName is what a scope is known by among its siblings.
type ScopeName struct {
	ScopeType string
	// Name is empty where the scope has none.
	Name string
}

func (e *UnsplittableError) Error() string {
	var text strings.Builder
	text.WriteString("scope")
	for i, scope := range e.Path {
		if i > 0 {
			text.WriteString(" >")
		}
		fmt.Fprintf(&text, " %s %q", scope.ScopeType, scope.Name)
	}
	text.WriteString(": can't be split to fit")
	if e.Limits.CompressedBytes > 0 {
		fmt.Fprintf(&text, " into %d bytes compressed", e.Limits.CompressedBytes)
	}
	if e.Limits.RawBytes > 0 {
		fmt.Fprintf(&text, " into %d bytes of JSON", e.Limits.RawBytes)
	}
	return text.String()
}

// scopeName reads the name out of a scope's own keys, which may be broken off.
func scopeName(own []byte) (name ScopeName) {
	tokens := json.NewDecoder(bytes.NewReader(own))
	for i := range 5 { // {, key, value, key, value
		token, err := tokens.Token()
		if err != nil {
			break
		}
		text, _ := token.(string)
		switch {
		case i == 2:
			name.ScopeType = shortened(text)
		case i == 3 && text != "name":
			return name
		case i == 4:
			name.Name = shortened(text)
		}
	}
	return name
}

// maxNameBytes bounds what an error says of a name.
const maxNameBytes = 256

func shortened(name string) string {
	if len(name) <= maxNameBytes {
		return name
	}
	return strings.ToValidUTF8(name[:maxNameBytes], "") + "…"
}
