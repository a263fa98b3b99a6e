package gosym_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/scopegate/scopegate/client/gosym"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

const (
	programModule = "example.com/program/v2"
	shapePackage  = programModule + "/shape"
	plainPackage  = programModule + "/plain.v2"
	kindsPackage  = programModule + "/kinds"
	asmPackage    = programModule + "/assembly"
)

// buildFolder is the directory for binaries that tests share. TestMain removes it.
var buildFolder string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if buildFolder, err = os.MkdirTemp("", "gosym-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		status := m.Run()
		if err := os.RemoveAll(buildFolder); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return status
	}())
}

var builtProgram = sync.OnceValues(func() (string, error) {
	return buildProgram(filepath.Join(buildFolder, "program"))
})

// program is the path of the program in testdata, built once.
func program(tb testing.TB) string {
	tb.Helper()
	path, err := builtProgram()
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

var readMainModule = sync.OnceValues(func() (map[string]*symdbv1.Scope, error) {
	path, err := builtProgram()
	if err != nil {
		return nil, err
	}
	b, err := gosym.Open(context.Background(), path, gosym.WithMainModule())
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return collect(b)
})

// mainModule returns the scopes of the program's own packages by name, read once. They must
// not be changed.
func mainModule(tb testing.TB) map[string]*symdbv1.Scope {
	tb.Helper()
	all, err := readMainModule()
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

var readProgram = sync.OnceValues(func() (map[string]*symdbv1.Scope, error) {
	path, err := builtProgram()
	if err != nil {
		return nil, err
	}
	b, err := gosym.Open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return collect(b)
})

// everything returns the scopes of all packages in the program by name, read once. They
// must not be changed.
func everything(tb testing.TB) map[string]*symdbv1.Scope {
	tb.Helper()
	all, err := readProgram()
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// buildProgram builds the program in testdata to path, with more arguments and
// environment for the go command.
func buildProgram(path string, args ...string) (string, error) {
	var flags, env []string
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") {
			flags = append(flags, arg)
			continue
		}
		env = append(env, arg)
	}
	flags = append([]string{"build", "-trimpath", "-buildvcs=false", "-o", path}, flags...)
	cmd := exec.CommandContext(context.Background(), "go", append(flags, ".")...)
	cmd.Dir = filepath.Join("testdata", "program")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local")
	cmd.Env = append(cmd.Env, env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

func open(tb testing.TB, path string, opts ...gosym.Option) *gosym.Binary {
	tb.Helper()
	b, err := gosym.Open(tb.Context(), path, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := b.Close(); err != nil {
			tb.Error(err)
		}
	})
	return b
}

// packages returns the scopes of all packages of b by name.
func packages(tb testing.TB, b *gosym.Binary) map[string]*symdbv1.Scope {
	tb.Helper()
	all, err := collect(b)
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

func collect(b *gosym.Binary) (map[string]*symdbv1.Scope, error) {
	all := map[string]*symdbv1.Scope{}
	for scope, err := range b.Packages() {
		if err != nil {
			return nil, err
		}
		if all[scope.GetName()] != nil {
			return nil, fmt.Errorf("package %s occurs twice", scope.GetName())
		}
		all[scope.GetName()] = scope
	}
	return all, nil
}

// child returns the only scope in parent of that kind and name.
func child(tb testing.TB, parent *symdbv1.Scope, scopeType, name string) *symdbv1.Scope {
	tb.Helper()
	var found *symdbv1.Scope
	for _, s := range parent.GetScopes() {
		if s.GetScopeType() != scopeType || s.GetName() != name {
			continue
		}
		if found != nil {
			tb.Fatalf("%s has %s %s twice", parent.GetName(), scopeType, name)
		}
		found = s
	}
	if found == nil {
		tb.Fatalf("%s has no %s %s", parent.GetName(), scopeType, name)
	}
	return found
}

// symbol returns the only symbol of scope with that name.
func symbol(tb testing.TB, scope *symdbv1.Scope, name string) *symdbv1.Symbol {
	tb.Helper()
	var found *symdbv1.Symbol
	for _, s := range scope.GetSymbols() {
		if s.GetName() != name {
			continue
		}
		if found != nil {
			tb.Fatalf("%s has symbol %s twice", scope.GetName(), name)
		}
		found = s
	}
	if found == nil {
		tb.Fatalf("%s has no symbol %s", scope.GetName(), name)
	}
	return found
}

// marks returns the lines of a source file of the program that have a mark `// @name`.
func marks(tb testing.TB, file string) map[string]int32 {
	tb.Helper()
	source, err := os.ReadFile(filepath.Join("testdata", "program", file))
	if err != nil {
		tb.Fatal(err)
	}
	lines := map[string]int32{}
	number := int32(0)
	for line := range bytes.Lines(source) {
		number++
		if _, mark, ok := bytes.Cut(line, []byte("// @")); ok {
			lines[string(bytes.TrimSpace(mark))] = number
		}
	}
	return lines
}

// has reports whether a line is in the ranges.
func has(ranges []*symdbv1.LineRange, line int32) bool {
	for _, r := range ranges {
		if r.GetStart() <= line && line <= r.GetEnd() {
			return true
		}
	}
	return false
}

// outline describes a scope briefly, for comparison: kinds, names and types.
func outline(scope *symdbv1.Scope) string {
	var b strings.Builder
	writeOutline(&b, scope, "")
	return b.String()
}

func writeOutline(b *strings.Builder, scope *symdbv1.Scope, indent string) {
	fmt.Fprintf(b, "%s%s %s\n", indent, scope.GetScopeType(), scope.GetName())
	for _, s := range scope.GetSymbols() {
		fmt.Fprintf(b, "%s  %s %s %s\n", indent, s.GetSymbolType(), s.GetName(), s.GetType())
	}
	for _, s := range scope.GetScopes() {
		writeOutline(b, s, indent+"  ")
	}
}
