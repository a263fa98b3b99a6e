package batch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/scopegate/scopegate/server/internal/text"
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
	var all strings.Builder
	all.WriteString("scope")
	for i, scope := range e.Path {
		if i > 0 {
			all.WriteString(" >")
		}
		fmt.Fprintf(&all, " %s %q", scope.ScopeType, scope.Name)
	}
	all.WriteString(": can't be split to fit")
	if e.Limits.CompressedBytes > 0 {
		fmt.Fprintf(&all, " into %d bytes compressed", e.Limits.CompressedBytes)
	}
	if e.Limits.RawBytes > 0 {
		fmt.Fprintf(&all, " into %d bytes of JSON", e.Limits.RawBytes)
	}
	return all.String()
}

// scopeName reads the name out of a scope's own keys, which may be broken off.
func scopeName(own []byte) (name ScopeName) {
	tokens := json.NewDecoder(bytes.NewReader(own))
	for i := range 5 { // {, key, value, key, value
		token, err := tokens.Token()
		if err != nil {
			break
		}
		found, _ := token.(string)
		switch {
		case i == 2:
			name.ScopeType = text.Clip(found)
		case i == 3 && found != "name":
			return name
		case i == 4:
			name.Name = text.Clip(found)
		}
	}
	return name
}
