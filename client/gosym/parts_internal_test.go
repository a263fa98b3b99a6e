package gosym

import (
	"strings"
	"testing"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// A type with many methods is in several parts, with its fields in the first.
func TestPartsDivideTypes(t *testing.T) {
	t.Parallel()
	for maxBytes, want := range map[int]string{
		0: "package p 0-0 [] {function f 0-0 [] {}struct T 0-0 [] (field x int 0 []) " +
			"{method a 0-0 [] {}method b 0-0 [] {}method c 0-0 [] {}}function g 0-0 [] {}}",
		34: "package p 0-0 [] {function f 0-0 [] {}}|" +
			"package p 0-0 [] {struct T 0-0 [] (field x int 0 []) {}}|" +
			"package p 0-0 [] {struct T 0-0 [] {method a 0-0 [] {}method b 0-0 [] {}}}|" +
			"package p 0-0 [] {struct T 0-0 [] {method c 0-0 [] {}}function g 0-0 [] {}}",
		1: "package p 0-0 [] {function f 0-0 [] {}}|" +
			"package p 0-0 [] {struct T 0-0 [] (field x int 0 []) {}}|" +
			"package p 0-0 [] {struct T 0-0 [] {method a 0-0 [] {}}}|" +
			"package p 0-0 [] {struct T 0-0 [] {method b 0-0 [] {}}}|" +
			"package p 0-0 [] {struct T 0-0 [] {method c 0-0 [] {}}}|" +
			"package p 0-0 [] {function g 0-0 [] {}}",
	} {
		var got strings.Builder
		yield := func(part *symdbv1.Scope) bool {
			if got.Len() > 0 {
				got.WriteString("|")
			}
			short(&got, part)
			return true
		}
		scope := func(kind, name string) *symdbv1.Scope { return &symdbv1.Scope{ScopeType: kind, Name: new(name)} }
		out := &parts{maxBytes: maxBytes, yield: yield, root: func() *symdbv1.Scope { return scope("package", "p") }}
		out.pkg = out.root()
		out.add(scope("function", "f"))
		typ := scope("struct", "T")
		typ.Symbols = []*symdbv1.Symbol{{Name: new("x"), Type: new("int"), SymbolType: "field"}}
		out.begin(typ)
		for _, name := range []string{"a", "b", "c"} {
			out.add(scope("method", name))
		}
		out.end()
		out.add(scope("function", "g"))
		yield(out.pkg)
		if got.String() != want {
			t.Errorf("at most %d bytes:\n%s\nwant\n%s", maxBytes, &got, want)
		}
	}
}
