package client_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// TestReasonsAreDocumented compares the constants with the table of docs/protocol.md.
func TestReasonsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]bool)
	for _, row := range regexp.MustCompile("(?m)^\\| `[A-Z_]+` \\| `([A-Z_]+)`").FindAllSubmatch(page, -1) {
		documented[string(row[1])] = true
	}
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	exported := make(map[string]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Error(err)
			}
			exported[value] = true
		}
		return true
	})
	if !maps.Equal(exported, documented) {
		t.Errorf("the constants are %v, want those of docs/protocol.md: %v",
			slices.Sorted(maps.Keys(exported)), slices.Sorted(maps.Keys(documented)))
	}
}
