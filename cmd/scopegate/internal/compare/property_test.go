package compare_test

import (
	"encoding/json"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/compare"
)

// tree is a random scope. It has few names, so that many scopes are alike.
type tree struct {
	name     string
	symbols  []string
	children []*tree
}

func trees(depth int) *rapid.Generator[*tree] {
	return rapid.Custom(func(t *rapid.T) *tree {
		made := &tree{
			name:    rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "name"),
			symbols: rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y"}), 0, 2).Draw(t, "symbols"),
		}
		if depth > 0 {
			made.children = rapid.SliceOfN(trees(depth-1), 0, 3).Draw(t, "children")
		}
		return made
	})
}

// object returns the JSON of a tree, with nulls and empty values where they have no meaning.
func (n *tree) object(t *rapid.T) map[string]any {
	object := map[string]any{"scope_type": "x", "start_line": json.Number("0")}
	empty := func(key string) {
		if value := rapid.SampledFrom([]any{nil, []any{}, "absent"}).Draw(t, key); value != "absent" {
			object[key] = value
		}
	}
	if n.name != "" {
		object["name"] = n.name
	} else {
		empty("name")
	}
	symbols, scopes := make([]any, len(n.symbols)), make([]any, len(n.children))
	for i, name := range n.symbols {
		symbols[i] = map[string]any{"name": name, "symbol_type": "ARG"}
	}
	for i, child := range n.children {
		scopes[i] = child.object(t)
	}
	for key, list := range map[string][]any{"symbols": symbols, "scopes": scopes} {
		if object[key] = list; len(list) == 0 {
			delete(object, key)
		}
	}
	if len(n.children) == 0 {
		empty("scopes")
	}
	empty("source_file")
	return object
}

// split divides a tree at a random place, as the server does: the parts have the keys of all scopes
// around the place, and the symbols are in the first. It returns nil if there is no such place. A
// part that continues another one has some of its scopes.
func (n *tree) split(t *rapid.T, continues bool) (first, second *tree) {
	from := 0
	if continues {
		from = 1
	}
	if len(n.children) <= from {
		return nil, nil
	}
	at := rapid.IntRange(0, len(n.children)-1).Draw(t, "at")
	first = &tree{name: n.name, symbols: n.symbols, children: n.children[:at:at]}
	second = &tree{name: n.name, children: n.children[at:]}
	before, after := n.children[at].split(t, continues && at == 0)
	if before != nil && (at < from || rapid.Bool().Draw(t, "deeper")) {
		first.children = append(first.children, before)
		second.children = append([]*tree{after}, n.children[at+1:]...)
	} else if at < from {
		return nil, nil
	}
	return first, second
}

// shuffled returns a tree whose scopes are in another order.
func (n *tree) shuffled(t *rapid.T) *tree {
	out := &tree{name: n.name, symbols: n.symbols}
	for _, child := range n.children {
		out.children = append(out.children, child.shuffled(t))
	}
	if len(out.children) > 1 {
		out.children = rapid.Permutation(out.children).Draw(t, "order")
	}
	return out
}

// uploadOf returns an upload of roots of different names.
func uploadOf(t *rapid.T, roots []*tree, split bool) compare.Upload {
	var scopes []map[string]any
	for i, root := range roots {
		parts := []*tree{root}
		for split && rapid.Bool().Draw(t, "split") {
			last := len(parts) - 1
			first, second := parts[last].split(t, last > 0)
			if first == nil {
				break
			}
			parts = append(parts[:last], first, second)
		}
		for _, part := range parts {
			object := part.object(t)
			object["name"] = string(rune('A' + i))
			scopes = append(scopes, object)
		}
	}
	return compare.Upload{Name: "upload", Scopes: func(yield func(map[string]any, error) bool) {
		for _, scope := range scopes {
			if !yield(clone(scope), nil) {
				return
			}
		}
	}}
}

func clone(scope map[string]any) map[string]any {
	out := maps.Clone(scope)
	for _, key := range []string{"scopes", "symbols"} {
		list, ok := scope[key].([]any)
		if !ok {
			continue
		}
		copied := make([]any, len(list))
		for i, value := range list {
			copied[i] = clone(value.(map[string]any)) //nolint:forcetypeassert,errcheck // object has made it
		}
		out[key] = copied
	}
	return out
}

// TestDivisionDoesNotMatter: parts, the order of scopes, and absent keys make no difference.
func TestDivisionDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		roots := rapid.SliceOfN(trees(3), 0, 3).Draw(t, "roots")
		others := make([]*tree, len(roots))
		for i, root := range roots {
			others[i] = root.shuffled(t)
		}
		report, err := compare.Uploads(uploadOf(t, roots, true), uploadOf(t, others, true), compare.Options{})
		if err != nil || !report.Equal() {
			t.Fatalf("differences %v, %v, want none", report.Differences, err)
		}
	})
}

// all returns the scopes of a tree.
func (n *tree) all() []*tree {
	found := []*tree{n}
	for _, child := range n.children {
		found = append(found, child.all()...)
	}
	return found
}

// TestChangesAreFound: an additional symbol or scope is always a difference, even if it is like others.
func TestChangesAreFound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		root := trees(3).Draw(t, "root")
		before := uploadOf(t, []*tree{root}, false)
		scope := rapid.SampledFrom(root.all()).Draw(t, "scope")
		if rapid.Bool().Draw(t, "symbol") {
			scope.symbols = append(scope.symbols, "x")
		} else {
			scope.children = append(scope.children, trees(0).Draw(t, "child"))
		}
		after := uploadOf(t, []*tree{root}, false)
		for _, pair := range [][2]compare.Upload{{before, after}, {after, before}} {
			report, err := compare.Uploads(pair[0], pair[1], compare.Options{})
			if err != nil || report.Equal() {
				t.Fatalf("%v, %v, want a difference", report, err)
			}
		}
	})
}
