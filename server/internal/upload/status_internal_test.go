package upload

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
)

// Every reason that a client can be told has its series from the start.
func TestOutcomesHaveAllReasons(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "status.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, o := range outcomes {
		known[string(o.Reason)] = true
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != "Reason" {
			return true
		}
		for _, value := range spec.Values {
			literal, ok := value.(*ast.BasicLit)
			if !ok {
				t.Fatalf("%T is no literal", value)
			}
			text, err := strconv.Unquote(literal.Value)
			if err != nil || !known[text] {
				t.Errorf("%s is in no series (%v)", text, err)
			}
			found++
		}
		return true
	})
	if found < 10 {
		t.Errorf("found %d reasons in status.go", found)
	}
}
