package repository_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestTroubleshooting: docs/troubleshooting.md has every reason of a status, every
// alert, every warning and error that server and client log, every title of a problem, and
// every explanation of a failed connection that does not say what to do.
func TestTroubleshooting(t *testing.T) {
	t.Parallel()
	document := read(t, "../../docs/troubleshooting.md")
	for what, expected := range map[string]struct {
		texts []string
		least int
	}{
		"reason":      {matches(t, "../../server/internal/upload/status.go", `Reason = "([A-Z_]+)"`), 21},
		"alert":       {matches(t, "../../deploy/kubernetes/prometheusrule.yaml", `- alert: (\w+)`), 10},
		"log line":    {slices.Concat(warnings(t, "../../server"), warnings(t, "../../cmd"), warnings(t, "../../client")), 34},
		"problem":     {matches(t, "../../server/internal/admin/problems.go", `(?:failing|strained|notice),\s+"([^"]+)"`), 11},
		"explanation": {explanations(t, "../../cmd/scopegate/internal/uploading/explain.go"), 7},
	} {
		if len(expected.texts) < expected.least {
			t.Errorf("found %d texts for %s, want at least %d: %q", len(expected.texts), what, expected.least, expected.texts)
		}
		for _, text := range expected.texts {
			if !strings.Contains(document, "`"+text+"`") {
				t.Errorf("docs/troubleshooting.md lacks the %s %q", what, text)
			}
		}
	}
}

// matches returns what the pattern's group matches in a file.
func matches(t *testing.T, path, pattern string) []string {
	t.Helper()
	var texts []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(read(t, path), -1) {
		texts = append(texts, match[1])
	}
	return texts
}

// messageIndex says which argument of a method of a logger is the message.
var messageIndex = map[string]int{"Warn": 0, "Error": 0, "WarnContext": 1, "ErrorContext": 1, "LogAttrs": 2, "NewRecord": 2}

// warnings returns the messages that the packages below root log as warnings or errors.
func warnings(t *testing.T, root string) []string {
	t.Helper()
	var calls []*ast.CallExpr
	constants := map[string]string{}
	for _, file := range sources(t, root) {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				calls = append(calls, n)
			case *ast.ValueSpec:
				for i, value := range n.Values {
					if text, ok := literal(value); ok {
						constants[n.Names[i].Name] = text
					}
				}
			}
			return true
		})
	}
	var found []string
	for _, call := range calls {
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			continue
		}
		index, ok := messageIndex[method.Sel.Name]
		if !ok || index >= len(call.Args) || slices.ContainsFunc(call.Args, isInfo) {
			continue
		}
		text, ok := literal(call.Args[index])
		if name, isName := call.Args[index].(*ast.Ident); isName {
			text, ok = constants[name.Name]
		}
		if ok {
			found = append(found, text)
		}
	}
	return found
}

// isInfo reports whether an argument is slog's level for information.
func isInfo(argument ast.Expr) bool {
	level, ok := argument.(*ast.SelectorExpr)
	return ok && level.Sel.Name == "LevelInfo"
}

// explanations returns the values of the key "means" in a file, which explain a failed
// connection, with ADDRESS in place of the server's address. It leaves out those that say
// after a colon what to do.
func explanations(t *testing.T, path string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		pair, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		if key, ok := pair.Key.(*ast.Ident); ok && key.Name == "means" {
			if text, ok := literal(pair.Value); ok && !strings.Contains(text, ": ") {
				found = append(found, strings.ReplaceAll(text, "%s", "ADDRESS"))
			}
		}
		return true
	})
	return found
}

// literal returns the text of a string literal.
func literal(expression ast.Expr) (string, bool) {
	basic, ok := expression.(*ast.BasicLit)
	if !ok || basic.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(basic.Value)
	return text, err == nil
}

// sources parses the Go files below root, except tests and their data.
func sources(t *testing.T, root string) []*ast.File {
	t.Helper()
	var files []*ast.File
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == "testdata":
			return fs.SkipDir
		case entry.IsDir(), !strings.HasSuffix(path, ".go"), strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		files = append(files, file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
