package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// Each variable of upload has the command's prefix, or is another tool's; a variable
// that was renamed still exists.
func TestVariablesOfUpload(t *testing.T) {
	t.Parallel()
	parser, sources := newParser(t)
	i := slices.IndexFunc(parser.Model.Children, func(n *kong.Node) bool { return n.Name == "upload" })
	all := []string{"SCOPEGATE_UPLOAD_TOKEN"} // has no flag
	for _, flag := range parser.Model.Children[i].Flags {
		all = append(all, sources.Variables(flag)...)
	}
	for _, name := range all {
		if !strings.HasPrefix(name, "SCOPEGATE_UPLOAD_") && !strings.HasPrefix(name, "DD_") {
			t.Errorf("got the variable %s, want the prefix SCOPEGATE_UPLOAD_", name)
		}
	}
	for _, rest := range renamedVariables {
		if !slices.Contains(all, "SCOPEGATE_UPLOAD_"+rest) {
			t.Errorf("got no variable SCOPEGATE_UPLOAD_%s, want the one that was renamed", rest)
		}
	}
}
