package gosym_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"

	"github.com/scopegate/scopegate/client/gosym"
)

// Merging the parts of a package, as a backend does, gives the package.
func TestPartsAreThePackages(t *testing.T) {
	t.Parallel()
	merged := map[string]*symdbv1.Scope{}
	count, last := 0, ""
	for part, err := range open(t, program(t)).Parts() {
		if err != nil {
			t.Fatal(err)
		}
		count++
		if size := proto.Size(part); size > gosym.MaxPartBytes+1<<10 && len(part.GetScopes()) > 1 {
			t.Errorf("a part of %s has %d bytes and %d children, want at most %d bytes",
				part.GetName(), size, len(part.GetScopes()), gosym.MaxPartBytes)
		}
		whole := merged[part.GetName()]
		if whole == nil {
			merged[part.GetName()] = part
		} else {
			if last != part.GetName() {
				t.Errorf("a part of %s after one of %s, want them in a row", part.GetName(), last)
			}
			merge(whole, part)
		}
		last = part.GetName()
	}
	want := everything(t)
	if count <= len(want) || len(merged) != len(want) {
		t.Errorf("%d parts of %d packages, want more parts than the %d packages", count, len(merged), len(want))
	}
	for name, scope := range want {
		if !proto.Equal(merged[name], scope) {
			t.Errorf("the parts of package %s are not the package", name)
		}
	}
}

// merge adds the children of a part to the whole. The last child of the whole may continue
// in the part.
func merge(whole, part *symdbv1.Scope) {
	children := part.GetScopes()
	if len(children) == 0 {
		return
	}
	last := whole.GetScopes()[len(whole.GetScopes())-1]
	first := children[0]
	if last.GetScopeType() == "struct" && first.GetScopeType() == "struct" && last.GetName() == first.GetName() {
		last.Symbols = append(last.Symbols, first.GetSymbols()...)
		last.Scopes = append(last.Scopes, first.GetScopes()...)
		children = children[1:]
	}
	whole.Scopes = append(whole.Scopes, children...)
}

func TestPartsCanBeLeftEarly(t *testing.T) {
	t.Parallel()
	count := 0
	for _, err := range open(t, program(t)).Parts() {
		if err != nil {
			t.Fatal(err)
		}
		if count++; count == 20 { // within a large package
			break
		}
	}
	if count != 20 {
		t.Errorf("%d parts, want to leave after 20", count)
	}
}
