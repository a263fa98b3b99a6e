package main

import (
	"slices"
	"testing"

	"github.com/alecthomas/kong"
)

// The flags that the short help shows exist, and are few.
func TestFirstFlags(t *testing.T) {
	t.Parallel()
	parser, _ := newParser(t)
	for command, first := range firstFlags {
		i := slices.IndexFunc(parser.Model.Children, func(n *kong.Node) bool { return n.Name == command })
		if i < 0 {
			t.Fatalf("got no command %s, want one", command)
		}
		var names []string
		for _, flag := range parser.Model.Children[i].Flags {
			names = append(names, flag.Name)
		}
		for _, name := range first {
			if !slices.Contains(names, name) {
				t.Errorf("%s: got no flag --%s, want one", command, name)
			}
		}
		const most = 15
		if len(first) > most || len(first) >= len(names) {
			t.Errorf("%s: got %d first flags of %d, want at most %d, and fewer than all", command, len(first), len(names), most)
		}
	}
}
