package repository_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// importedModules are what package client links, beside scopegate: an importer's go.mod
// requires them, and nothing else.
var importedModules = []string{
	"github.com/google/uuid",
	"golang.org/x/net",
	"golang.org/x/sys",
	"golang.org/x/text",
	"google.golang.org/genproto/googleapis/rpc",
	"google.golang.org/grpc",
	"google.golang.org/protobuf",
}

// maxBuildList is how many modules an importer's build list has at most, beside its own.
// Most are not linked, but each may raise the version of what the importer links. It may
// grow only for what a command or the server needs: what only tests need goes to a
// module of its own.
const maxBuildList = 83

// TestImporter holds what a program gets in its go.mod that imports package client.
func TestImporter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", fmt.Sprintf("module importer.example\n\ngo %s\n\n"+
		"require github.com/scopegate/scopegate v0.0.0\n\nreplace github.com/scopegate/scopegate => %q\n",
		readGoMod(t, "../../go.mod").Go, root))
	write("go.sum", read(t, "../../go.sum")) // instead of the checksum database
	write("main.go", "package main\n\nimport _ \"github.com/scopegate/scopegate/client\"\n\nfunc main() {}\n")
	run := func(args ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), "go", args...)
		command.Dir = dir
		command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "GOPROXY=off")
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v, want success\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}

	// It adds what is missing in go.mod. "go mod tidy" would too, but it also wants the
	// modules that the tests of dependencies need.
	run("list", "-deps", "./...")
	var required []string
	for _, module := range readGoMod(t, filepath.Join(dir, "go.mod")).Require {
		if module.Indirect {
			required = append(required, module.Path)
		}
	}
	slices.Sort(required)
	if !slices.Equal(required, importedModules) {
		t.Errorf("an importer requires %q, want %q", required, importedModules)
	}
	if list := buildList(run("mod", "graph")); len(list) > maxBuildList {
		t.Errorf("an importer's build list has %d modules, want at most %d: %q", len(list), maxBuildList, list)
	}
}

// buildList returns the modules in what "go mod graph" prints, beside the main one. "go
// list -m all" prints the same, but wants more of the module cache than a build leaves there.
func buildList(graph string) []string {
	var list []string
	for node := range strings.FieldsSeq(graph) {
		path, version, _ := strings.Cut(node, "@")
		if version != "" && path != "go" && path != "toolchain" {
			list = append(list, path)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// TestGoModReplacesNothing: an importer would not see what is replaced.
func TestGoModReplacesNothing(t *testing.T) {
	t.Parallel()
	if replaced := readGoMod(t, "../../go.mod").Replace; len(replaced) > 0 {
		t.Errorf("go.mod replaces %v, want nothing", replaced)
	}
}
